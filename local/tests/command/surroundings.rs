//! What the environment says, and who it is said to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::net::TcpListener;

use crate::process::{LIMIT, Run, binary, summary};

/// Somebody who must not be called: hangs up on whoever does, and counts.
pub(crate) struct Stranger {
    pub(crate) url: String,
    calls: Arc<AtomicUsize>,
}

impl Stranger {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, calls }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_this_machine() {
    let proxy = Stranger::start().await;
    let environment = ["http_proxy", "HTTP_PROXY", "all_proxy"].map(|name| (name, proxy.url.as_str()));
    let mut run = Run::start_in(&environment, &["--sessions", "3", "--rate", "10"]);
    let lines = run.rest().await;
    assert!(summary(&lines).contains("verified 3 "), "{lines:#?}");
    assert!(run.end().await.success());
    assert_eq!(proxy.calls(), 0);
}

#[tokio::test]
async fn the_demo_takes_no_queue_chain_or_wallet_from_the_environment() {
    let production = Stranger::start().await;
    let queue = format!("{}/123456789012/sessions", production.url);
    let environment = [
        ("SESSION_BUILDER__QUEUE__KIND", "sqs"),
        ("SESSION_BUILDER__QUEUE__URL", &queue),
        ("SESSION_BUILDER__QUEUE__DEAD_LETTER_URL", &queue),
        ("SESSION_BUILDER__QUEUE__ENDPOINT_URL", &production.url),
        ("SESSION_BUILDER__RPC__URL", &production.url),
        ("SESSION_BUILDER__SERVICE__KEYPAIR_PATH", "/nonexistent/keypair.json"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    for arguments in [
        &["demo", "--sessions", "3", "--rate", "10"][..],
        &["--sessions", "3", "--rate", "10"],
    ] {
        let mut run = Run::start_in(&environment, arguments);
        let lines = run.rest().await;
        assert!(summary(&lines).contains("verified 3 "), "{lines:#?}");
        let told = lines
            .iter()
            .any(|line| line.contains("does not use") && line.contains("SESSION_BUILDER__QUEUE__URL"));
        assert!(told, "{lines:#?}");
        assert!(run.end().await.success());
    }
    assert_eq!(production.calls(), 0);
}

/// A container with nothing but an RPC in its environment is a service, and says what it lacks.
#[tokio::test]
async fn configuration_in_the_environment_is_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let running = binary()
        .current_dir(folder.path())
        .env("SESSION_BUILDER__RPC__URL", "http://127.0.0.1:9")
        .output();
    let output = tokio::time::timeout(LIMIT, running)
        .await
        .expect("an end in time")
        .unwrap();
    let (lines, errors) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(!output.status.success());
    assert!(!lines.contains("embedded"), "{lines}");
    assert!(
        errors.contains("service-keypair.json"),
        "the wallet that it would pay with: {errors}"
    );
}

#[tokio::test]
async fn the_demo_refuses_a_queue_of_elsewhere() {
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/sessions";
    let output = binary()
        .args(["demo", "--sqs-queue", queue, "--sqs-dead-letter-queue", queue])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("not on this machine"), "{errors}");
}
