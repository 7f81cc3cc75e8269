//! The function as somebody who develops it runs it: the README's section "Developing the function".

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use aws_lambda_events::event::sqs::SqsEvent;
use session_message::Message;
use session_queue::Queue;
use session_tests::{
    binaries::built,
    chain::TestChain,
    lambda::{self, Lambda},
    ports::free_port,
    sqs_server::SqsServer,
    wait,
};
use tokio::{process::Command, time::timeout};

use crate::flow::{FUNDS_LAMPORTS, LIMIT, QUEUE, chain_variables, queue_variables, wallet_variables};

const FUNCTION: &str = env!("CARGO_BIN_EXE_create-accounts");
const SESSIONS: usize = 20;

/// `cargo lambda invoke` with each of the event files, on a function without a queue and on one with.
pub(crate) async fn event_files() {
    let chain = TestChain::embedded().await;
    let wallet = chain.wallet(FUNDS_LAMPORTS).await;
    let environment = [chain_variables(&chain.endpoint()), wallet_variables(&wallet)].concat();
    print_as_the_readme_says(environment.clone(), &["good", "mixed", "poisoned"]).await;
    let good: SqsEvent = serde_json::from_slice(&fs::read(event_file("good")).unwrap()).unwrap();
    for record in good.records {
        let event = Message::from_json(&record.body.unwrap()).unwrap().event;
        chain.assert_created(&event).await;
    }

    let server = SqsServer::start().await;
    let queues = server.create(QUEUE).await;
    let environment = [environment, queue_variables(&queues)].concat();
    print_as_the_readme_says(environment, &["mixed", "poisoned"]).await;
    let letters = queues.dead_letters().await.depth().await.unwrap();
    assert_eq!(
        letters.visible, 10,
        "two of the mixed, and all of the poisoned with a body"
    );
    server.stop().await;
}

async fn print_as_the_readme_says(environment: Vec<(String, String)>, events: &[&str]) {
    let lambda = Lambda::start(FUNCTION, environment).await;
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    for name in events {
        let printed = lambda.invoke_by_hand(&event_file(name)).await;
        let shown = format!("functions/create-accounts/events/{name}.json create-accounts\n{printed}");
        assert!(
            printed.ends_with('\n') && readme.contains(&shown),
            "the README does not show that {name} prints {printed}"
        );
    }
    lambda.stop().await;
}

fn event_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("events/{name}.json"))
}

/// The local runner's embedded chain and queue in memory, with the function outside.
pub(crate) async fn queue_in_memory() {
    watch_sessions(Vec::new()).await;
}

/// The same with its queue in SQS.
pub(crate) async fn queue_in_sqs() {
    let server = SqsServer::start().await;
    let queues = server.create(QUEUE).await;
    let queue = [
        "--sqs-queue",
        &queues.url,
        "--sqs-dead-letter-queue",
        &queues.dead_letter_url,
    ];
    watch_sessions(queue.map(str::to_owned).to_vec()).await;
    server.stop().await;
}

async fn watch_sessions(queue: Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("function.env");
    let port = free_port();
    let runner = Command::new(built("session-builder"))
        .args([
            "--sessions",
            &SESSIONS.to_string(),
            "--rate",
            "10",
            "--metrics-port",
            "0",
        ])
        .args(["--function-url", &lambda::url(port), "--function-env"])
        .arg(&file)
        .args(queue)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let environment = wait::until("the function's environment", LIMIT, || async {
        read_environment(&file)
    })
    .await;
    let lambda = Lambda::start_on(port, FUNCTION, environment).await;
    let output = timeout(LIMIT, runner.wait_with_output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", lambda.output());
    let verified = printed.lines().filter(|line| line.starts_with("verified session="));
    assert_eq!(verified.count(), SESSIONS, "{printed}");
    assert!(
        printed.contains("summary   verified 20  created 20  existed 0  skipped 0  retried 0"),
        "{printed}"
    );
    let told = lambda.output().matches("account created and verified").count();
    assert_eq!(told, SESSIONS, "the function itself did it");
    lambda.stop().await;
}

/// The file's variables, once it is there.
fn read_environment(file: &Path) -> Option<Vec<(String, String)>> {
    let text = fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'))?;
    let variable = |line: &str| {
        line.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    text.lines().map(variable).collect()
}
