//! The ledger in DynamoDB does what every ledger does.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[path = "../../ledger/tests/conformance/mod.rs"]
mod conformance;
mod server;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use session_ledger_dynamodb::DynamoDbLedger;
use tokio::runtime::Runtime;

use crate::server::{Server, main_with_credentials};

fn main() -> ExitCode {
    main_with_credentials(run)
}

fn run() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().unwrap());
    let server = Arc::new(Server::start());
    let trial = |(name, case): &(&str, conformance::Case)| {
        let (runtime, server, case) = (Arc::clone(&runtime), Arc::clone(&server), *case);
        Trial::test(*name, move || {
            runtime.block_on(async {
                let table = server.table().await;
                let ledger = DynamoDbLedger::connect(table, conformance::LIMITS).await;
                case(Arc::new(ledger.unwrap())).await;
            });
            Ok(())
        })
    };
    let trials = conformance::CASES.iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(server);
    conclusion.exit_code()
}
