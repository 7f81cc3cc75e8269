//! A DynamoDB server for a test run on this machine alone (moto), and tables on it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use session_ledger_dynamodb::DynamoDbLedgerConfig;

/// Any will do for the server, but the SDK signs no request without them.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];
/// Set in the process that has [`ENVIRONMENT`].
const MARK: &str = "SESSION_BUILDER_DYNAMODB_TEST";

/// A running server, which ends with this value.
pub(crate) struct Server {
    process: Child,
    endpoint_url: String,
    tables: AtomicU64,
}

/// Runs a test binary's tests in a child that has credentials for the server: the SDK takes them from the environment,
/// which a running process cannot change safely.
pub(crate) fn main_with_credentials(run: impl FnOnce() -> ExitCode) -> ExitCode {
    if std::env::var_os(MARK).is_some() {
        return run();
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .envs(ENVIRONMENT)
        .env(MARK, "1")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .status()
        .unwrap();
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The Python that has moto.
fn python() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = || std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let tools = std::env::var_os("SESSION_BUILDER_TOOLS").map(PathBuf::from);
    let tools = tools.unwrap_or_else(|| cache().unwrap_or_default().join("session-builder/tools"));
    let python = tools.join("moto/bin/python");
    assert!(
        python.is_file(),
        "{} is missing; run tests/tools/install",
        python.display()
    );
    python
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(python())
            .args(["-c", include_str!("moto.py")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the DynamoDB server starts");
        let mut port = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut port).expect("the DynamoDB server says its port");
        let port: u16 = port.trim().parse().expect("the DynamoDB server says its port");
        Self {
            process,
            endpoint_url: format!("http://127.0.0.1:{port}"),
            tables: AtomicU64::new(0),
        }
    }

    /// A new, empty table.
    pub(crate) async fn table(&self) -> DynamoDbLedgerConfig {
        let name = format!("ledger-{}", self.tables.fetch_add(1, Ordering::Relaxed));
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint_url)
            .load()
            .await;
        let mut call = Client::new(&shared)
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest);
        for (attribute, role) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let text = AttributeDefinition::builder()
                .attribute_name(attribute)
                .attribute_type(ScalarAttributeType::S)
                .build();
            let key = KeySchemaElement::builder()
                .attribute_name(attribute)
                .key_type(role)
                .build();
            call = call.attribute_definitions(text.unwrap()).key_schema(key.unwrap());
        }
        call.send().await.expect("a table is created");
        DynamoDbLedgerConfig {
            table: name,
            endpoint_url: Some(self.endpoint_url.clone()),
            region: None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
