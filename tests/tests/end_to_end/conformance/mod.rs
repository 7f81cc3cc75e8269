//! One list of cases on every queue: the one in memory, and SQS as a real server speaks it. What SQS does is taken from
//! AWS's documentation; where a server is known to do otherwise stands in one table, [`DIFFERENCES`].

mod cases;
mod refusals;
mod subject;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed};
use session_tests::{
    rooms::{Room, conclude, timed},
    sqs_server::SqsServer,
};
use tokio::{runtime::Runtime, sync::OnceCell};

use self::{cases::Case, subject::Subject};

const NAME: &str = "conformance";

/// The cases wait for clocks, not for processors.
const AT_A_TIME: usize = 8;

pub(crate) const ROOM: Room = Room { name: NAME, run };

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Memory,
    Moto,
}

/// Cases that fail on a server, and what it does instead. A case that passes there after all has to leave the table.
const DIFFERENCES: &[(Server, &str, &str)] = &[
    (
        Server::Moto,
        "an_expired_handle_changes_nothing",
        "the change succeeds; AWS answers MessageNotInflight",
    ),
    (
        Server::Moto,
        "an_old_handle_deletes_nothing",
        "it deletes the message; AWS lets only the newest handle do that",
    ),
    (
        Server::Moto,
        "a_trace_header_arrives",
        "SendMessageBatch drops the system attribute AWSTraceHeader; AWS keeps it",
    ),
];

fn run(arguments: Arguments) -> ExitCode {
    let runtime = Arc::new(Runtime::new().unwrap());
    let moto = Arc::new(OnceCell::new());
    let mut trials = Vec::new();
    for (name, case) in cases::ALL {
        for server in [Server::Memory, Server::Moto] {
            let (on, moto) = (Arc::clone(&runtime), Arc::clone(&moto));
            let title = format!("{NAME}::{server:?}::{name}").to_lowercase();
            trials.push(timed(title, move || on.block_on(trial(server, name, *case, &moto))));
        }
    }
    let (on, server) = (Arc::clone(&runtime), Arc::clone(&moto));
    trials.push(timed(
        format!("{NAME}::moto::what_is_refused_with_others_is_told_from_them"),
        move || {
            let refused = async {
                refusals::what_is_refused_with_others_is_told_from_them(server.get_or_init(SqsServer::start).await)
                    .await;
            };
            on.block_on(refused);
            Ok(())
        },
    ));
    let (on, server) = (Arc::clone(&runtime), Arc::clone(&moto));
    trials.push(timed(
        format!("{NAME}::moto::what_the_caller_may_not_do_is_refused_once"),
        move || {
            let refused = async {
                refusals::what_the_caller_may_not_do_is_refused_once(server.get_or_init(SqsServer::start).await).await;
            };
            on.block_on(refused);
            Ok(())
        },
    ));
    let conclusion = conclude(arguments, AT_A_TIME, trials);
    // The server is a child process: it has to go before this process does.
    if let Some(server) = Arc::into_inner(moto).and_then(OnceCell::into_inner) {
        runtime.block_on(SqsServer::stop(server));
    }
    conclusion.exit_code()
}

async fn trial(server: Server, name: &str, case: Case, moto: &OnceCell<SqsServer>) -> Result<(), Failed> {
    let subject = match server {
        Server::Memory => Subject::in_memory().await,
        Server::Moto => Subject::on(moto.get_or_init(SqsServer::start).await).await,
    };
    let passed = tokio::spawn(case(subject)).await;
    let difference = DIFFERENCES
        .iter()
        .find(|(known, of, _)| (*known, *of) == (server, name));
    match (passed, difference) {
        (Ok(()), None) => Ok(()),
        (Err(_panic), Some(_)) => Ok(()),
        (Ok(()), Some((_, _, what))) => Err(format!("no longer so: {what}; take it out of the table").into()),
        (Err(panic), None) => std::panic::resume_unwind(panic.into_panic()),
    }
}
