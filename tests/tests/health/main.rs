//! The operator's light, on the binaries: red within one interval of every known cause for which users are not served,
//! with the broken link's name; green again after the cause; and green in every state in which they are served. The
//! causes stand in docs/health.md, and the table there is the list here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod chain;
mod function;
mod listener;
mod money;
mod queue;
mod service;
mod table;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use session_tests::sqs_server::main_with_credentials;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    main_with_credentials(run)
}

fn run() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Services wait for clocks more than for processors.
    arguments.test_threads.get_or_insert(4);
    let whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let trials = vec![
        trial("the_chain_does_not_answer", chain::the_chain_does_not_answer),
        trial("accounts_do_not_get_created", chain::accounts_do_not_get_created),
        trial("events_do_not_arrive", chain::events_do_not_arrive),
        trial("there_is_no_money", money::there_is_no_money),
        trial("the_program_refuses", money::the_program_refuses),
        trial("the_queue_is_broken", queue::the_queue_is_broken),
        trial("the_function_is_ill", function::the_function_is_ill),
        trial("the_listener_of_its_own", listener::the_listener_of_its_own),
        Trial::test("the_table_is_the_list", || {
            table::the_table_is_the_list();
            Ok(())
        }),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    if whole && !conclusion.has_failed() {
        table::every_cause_was_produced();
    }
    conclusion.exit_code()
}

fn trial<F: Future<Output = ()> + Send + 'static>(name: &str, test: fn() -> F) -> Trial {
    Trial::test(name, move || {
        Runtime::new().unwrap().block_on(test());
        Ok(())
    })
}
