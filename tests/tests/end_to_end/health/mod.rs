//! The operator's light, on the binaries: red within one interval of every known cause for which users are not served,
//! with the broken link's name; green again after the cause; and green in every state in which they are served. The
//! causes stand in docs/health.md, and the table there is the list here.

mod chain;
mod function;
mod listener;
mod money;
mod queue;
mod service;
mod table;

use session_tests::rooms::{Room, Test, conclude, trials};

const NAME: &str = "health";

/// Services wait for clocks more than for processors.
const AT_A_TIME: usize = 4;

pub(crate) const ROOM: Room = Room {
    name: NAME,
    run: |arguments| {
        let whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
        let conclusion = conclude(arguments, AT_A_TIME, trials(NAME, ALL));
        if whole && !conclusion.has_failed() {
            table::every_cause_was_produced();
        }
        conclusion.exit_code()
    },
};

const ALL: &[(&str, Test)] = session_tests::tests![
    async:
        queue::the_queue_is_broken,
        function::the_function_is_ill,
        chain::the_chain_does_not_answer,
        chain::accounts_do_not_get_created,
        chain::events_do_not_arrive,
        money::there_is_no_money,
        money::the_program_refuses,
        listener::the_listener_of_its_own;
    by itself:
        table::the_table_is_the_list;
];
