//! The whole service, and its parts, on real chains and beside AWS's stand-ins. One binary, whose rooms run side by side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod changing_cluster;
mod conformance;
mod doctor;
mod engine;
mod health;
mod killed;
mod liars;
mod listener_crash;
mod listening;
mod scenarios;

use std::process::ExitCode;

use session_tests::rooms::{self, Room};

/// What runs side by side, each of them one room after the other. Those of a column take about as long together as those of any
/// other, and of those that keep a core busy no two begin together.
const SIDE_BY_SIDE: &[&[Room]] = &[
    &[listening::VALIDATOR],
    &[health::ROOM, doctor::ROOM],
    &[listener_crash::ROOM, killed::ROOM],
    &[scenarios::EMBEDDED, changing_cluster::ROOM, liars::ROOM],
    &[scenarios::VALIDATOR, listening::EMBEDDED, conformance::ROOM],
    &[engine::ROOM],
];

fn main() -> ExitCode {
    killed::environment().unwrap_or_else(|| rooms::run(SIDE_BY_SIDE))
}
