//! The AWS flow with nothing mocked in between: requests on a chain, the listener's binary, SQS as a real server speaks
//! it, this crate's binary behind the runtime API of `cargo lambda watch`, and the chain again. And the same by hand, as
//! the README shows it.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod by_hand;
mod flow;
mod scenarios;

use std::process::ExitCode;

use session_tests::on_aws;

fn main() -> ExitCode {
    on_aws::run(scenarios::ALL, 3)
}
