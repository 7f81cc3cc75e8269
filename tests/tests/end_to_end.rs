//! The whole service against a chain.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod scenarios;

use session_tests::on_each_chain::{Validators, run};

fn main() {
    run(scenarios::ALL, Validators::Shared);
}
