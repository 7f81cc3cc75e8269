//! The Lambda function as AWS runs it: `cargo lambda watch` plays the runtime API, and the function's real binary asks
//! it for work in a process of its own, which a test can kill.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{ports::free_port, sqs_server::tool, wait};

/// How the runtime API calls a function that it did not start itself.
pub const NAME: &str = "_";
/// How long the runtime API may take to answer its first request.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A served function.
pub struct Lambda {
    api: Child,
    port: u16,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    function: Child,
    output: TempDir,
}

impl Lambda {
    /// Serves a function's binary, with this environment beside the test's own.
    pub async fn start(binary: impl Into<PathBuf>, environment: Vec<(String, String)>) -> Self {
        Self::start_on(free_port(), binary, environment).await
    }

    /// The same on a port that was chosen beforehand, for whom [`url`] had to be told before the function exists.
    pub async fn start_on(port: u16, binary: impl Into<PathBuf>, environment: Vec<(String, String)>) -> Self {
        let output = tempfile::tempdir().unwrap();
        let api = Command::new(tool("cargo-lambda"))
            .args(["lambda", "watch", "--only-lambda-apis"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
            // It looks for a Cargo.toml.
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("cargo lambda watch starts");
        wait::until_true("the runtime API", START_LIMIT, || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        let binary = binary.into();
        let function = function(&binary, &environment, port, output.path());
        Self {
            api,
            port,
            binary,
            environment,
            function,
            output,
        }
    }

    /// Where a POST invokes the function.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The most memory that the function's process has had so far, in KiB.
    #[must_use]
    pub fn peak_memory_kib(&self) -> u64 {
        peak_memory_kib(self.function.id().expect("the function runs"))
    }

    /// Invokes the function by `cargo lambda invoke` with an event file, and gives what that prints.
    pub async fn invoke_by_hand(&self, event_file: &Path) -> String {
        let output = Command::new(tool("cargo-lambda"))
            .args(["lambda", "invoke", "--invoke-address", "127.0.0.1"])
            .args(["--invoke-port", &self.port.to_string(), "--data-file"])
            .arg(event_file)
            .arg(NAME)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Kills the function's process, as a crash does, and starts another as Lambda would.
    pub async fn crash(&mut self) {
        self.function.kill().await.expect("the function is killed");
        self.function = function(&self.binary, &self.environment, self.port, self.output.path());
    }

    /// What the function has written: metrics to standard output, logs to standard error.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(output_file(self.output.path())).unwrap()
    }

    /// Stops the function and what served it.
    pub async fn stop(mut self) {
        self.function.kill().await.expect("the function stops");
        self.api.kill().await.expect("the runtime API stops");
    }
}

/// The most memory that a process has had so far, in KiB (`VmHWM`, proc(5)).
#[must_use]
pub fn peak_memory_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Where a POST invokes the function that is served on a port.
#[must_use]
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/2015-03-31/functions/{NAME}/invocations")
}

fn output_file(folder: &Path) -> PathBuf {
    folder.join("output")
}

fn function(binary: &Path, environment: &[(String, String)], port: u16, output: &Path) -> Child {
    let output = File::options()
        .create(true)
        .append(true)
        .open(output_file(output))
        .unwrap();
    Command::new(binary)
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt"))
        .env("AWS_LAMBDA_FUNCTION_NAME", NAME)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .expect("the function starts")
}
