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

/// What runs side by side, each of them one room after the other. Three are what two cores bear: a fourth starved the others'
/// chains of their slots. Validators, which keep a core busy, are all in one column; what works hardest (`killed`) and what
/// measures delays (`engine`) come last, when others have ended.
const SIDE_BY_SIDE: &[&[Room]] = &[
    &[
        listening::VALIDATOR,
        scenarios::VALIDATOR,
        doctor::ROOM,
        conformance::ROOM,
    ],
    &[
        scenarios::EMBEDDED,
        changing_cluster::ROOM,
        listening::EMBEDDED,
        liars::ROOM,
        killed::ROOM,
    ],
    &[listener_crash::ROOM, health::ROOM, engine::ROOM],
];

fn main() -> ExitCode {
    killed::environment().unwrap_or_else(|| rooms::run(SIDE_BY_SIDE))
}
