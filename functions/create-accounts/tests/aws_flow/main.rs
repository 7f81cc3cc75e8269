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

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use session_tests::sqs_server::main_with_credentials;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    main_with_credentials(|| {
        let mut arguments = Arguments::from_args();
        // Two cores hold one chain at a time.
        arguments.test_threads.get_or_insert(1);
        let runtime = Arc::new(Runtime::new().unwrap());
        let trial = |(name, scenario): &(&str, scenarios::Scenario)| {
            let (on, scenario) = (Arc::clone(&runtime), *scenario);
            Trial::test(*name, move || {
                on.block_on(scenario());
                Ok(())
            })
        };
        let trials = scenarios::ALL.iter().map(trial).collect();
        libtest_mimic::run(&arguments, trials).exit_code()
    })
}
