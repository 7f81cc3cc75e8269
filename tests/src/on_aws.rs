//! Runs scenarios that talk to AWS's stand-ins: in a child process that has credentials for them.

use std::{pin::Pin, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

use crate::sqs_server::main_with_credentials;

/// A scenario, which panics where the service does not do what it should.
pub type Scenario = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// Runs the scenarios as tests, each under its name, so many at a time. Whoever mostly waits leaves the cores to others.
pub fn run(scenarios: &[(&'static str, Scenario)], at_a_time: usize) -> ExitCode {
    main_with_credentials(|| {
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(at_a_time);
        let runtime = Arc::new(Runtime::new().expect("a runtime"));
        let trial = |(name, scenario): &(&'static str, Scenario)| {
            let (on, scenario) = (Arc::clone(&runtime), *scenario);
            Trial::test(*name, move || {
                on.block_on(scenario());
                Ok(())
            })
        };
        libtest_mimic::run(&arguments, scenarios.iter().map(trial).collect()).exit_code()
    })
}
