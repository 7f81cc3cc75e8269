//! A server that speaks SQS's protocol, and S3's (moto), started for a test run on this machine alone, with queues and
//! buckets on it.

use std::{
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_config::BehaviorVersion;
use aws_sdk_sqs::{Client, types::QueueAttributeName};
use session_queue_sqs::{SqsConfig, SqsQueue};
use tokio::process::Child;

use crate::{chain::tools_dir, http, ports::free_port, wait};

/// Any will do for the server, but the SDK signs no request without them.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];
/// Set in the process that has [`ENVIRONMENT`].
const MARK: &str = "SESSION_BUILDER_SQS_TEST";
/// How long the server may take to answer its first request.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server.
pub struct SqsServer {
    process: Child,
    client: Client,
    endpoint_url: String,
    created: AtomicU64,
}

/// A queue and its dead-letter queue on the server.
pub struct QueuePair {
    /// The server.
    pub endpoint_url: String,
    /// The queue's URL.
    pub url: String,
    /// The dead-letter queue's URL.
    pub dead_letter_url: String,
}

/// What a queue is created with.
#[derive(Debug, Clone, Copy)]
pub struct QueueAttributes {
    /// How long a received message stays invisible, in whole seconds.
    pub visibility_timeout: Duration,
    /// Receives after which a message moves to the dead-letter queue.
    pub max_receive_count: u32,
}

impl QueueAttributes {
    /// Nothing that was received comes back while a test runs.
    pub const RECEIVED_ONCE: Self = Self {
        visibility_timeout: Duration::from_mins(10),
        max_receive_count: 5,
    };
}

/// Runs a test binary's tests in a child that has credentials for the server: the SDK takes them from the environment,
/// which a running process cannot change safely.
pub fn main_with_credentials(run: impl FnOnce() -> ExitCode) -> ExitCode {
    if std::env::var_os(MARK).is_some() {
        return run();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(std::env::args_os().skip(1)).env(MARK, "1");
    with_credentials(&mut child);
    let status = child.status().unwrap();
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Gives a process credentials for the server, and none of this machine's.
pub fn with_credentials(command: &mut Command) {
    command
        .envs(ENVIRONMENT)
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN");
}

/// A tool that `tests/tools/install` installs. Panics with how to get it where it is missing.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let path = tools_dir().join("bin").join(name);
    assert!(path.is_file(), "{} is missing; run tests/tools/install", path.display());
    path
}

impl SqsServer {
    /// Starts a server on a free port of this machine.
    pub async fn start() -> Self {
        let port = free_port().to_string();
        let process = tokio::process::Command::new(tool("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the SQS server starts");
        let endpoint_url = format!("http://127.0.0.1:{port}");
        wait::until_true("the SQS server", START_LIMIT, || async {
            tokio::net::TcpStream::connect(format!("127.0.0.1:{port}"))
                .await
                .is_ok()
        })
        .await;
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&endpoint_url)
            .load()
            .await;
        Self {
            process,
            client: Client::new(&config),
            endpoint_url,
            created: AtomicU64::new(0),
        }
    }

    /// Stops the server.
    pub async fn stop(mut self) {
        self.process.kill().await.expect("the SQS server stops");
    }

    /// Creates a queue whose messages move to a dead-letter queue, both new.
    pub async fn create(&self, attributes: QueueAttributes) -> QueuePair {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let dead_letter_url = self.create_queue(&format!("dead-letters-{number}"), [].into()).await;
        let arn = format!("arn:aws:sqs:us-east-1:123456789012:dead-letters-{number}");
        let policy = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": attributes.max_receive_count});
        let visibility_timeout = attributes.visibility_timeout.as_secs().to_string();
        let attributes = [
            (QueueAttributeName::RedrivePolicy, policy.to_string()),
            (QueueAttributeName::VisibilityTimeout, visibility_timeout),
        ];
        let url = self
            .create_queue(&format!("sessions-{number}"), attributes.into())
            .await;
        QueuePair {
            endpoint_url: self.endpoint_url.clone(),
            url,
            dead_letter_url,
        }
    }

    /// Creates a bucket: the server speaks S3's protocol as well, at the same address.
    pub async fn create_bucket(&self, name: &str) {
        let answer = http::put(&format!("{}/{name}", self.endpoint_url)).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    async fn create_queue(&self, name: &str, attributes: Vec<(QueueAttributeName, String)>) -> String {
        let attributes = attributes.into_iter().collect();
        let call = self
            .client
            .create_queue()
            .queue_name(name)
            .set_attributes(Some(attributes));
        call.send().await.expect("a queue is created").queue_url.unwrap()
    }
}

impl QueuePair {
    /// The queue.
    pub async fn source(&self) -> SqsQueue {
        self.connect(&self.url).await
    }

    /// The dead-letter queue.
    pub async fn dead_letters(&self) -> SqsQueue {
        self.connect(&self.dead_letter_url).await
    }

    async fn connect(&self, url: &str) -> SqsQueue {
        let config = SqsConfig {
            queue_url: url.to_owned(),
            endpoint_url: Some(self.endpoint_url.clone()),
            region: None,
        };
        SqsQueue::connect(config).await.expect("the queue can be addressed")
    }
}
