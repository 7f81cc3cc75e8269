//! The listener against a chain: the same scenarios on the embedded chain and on the real validator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod listening;

use session_tests::on_each_chain::{Validators, run};

fn main() {
    run(listening::ALL, Validators::Each);
}
