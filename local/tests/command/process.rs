//! The binary as a process: its lines, its pages, its end; and a chain that is not its own.

use std::{
    fs::Permissions,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use session_builder::{embedded::EmbeddedChain, traffic::Traffic};
use solana_sdk::signature::{Keypair, Signer};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    time::timeout,
};

/// A run of a debug build on a busy machine ends by then.
pub(crate) const LIMIT: Duration = Duration::from_mins(3);

/// The binary, configured by nothing.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-builder"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SESSION_BUILDER__") {
            command.env_remove(name);
        }
    }
    command.kill_on_drop(true);
    command
}

/// A running binary. Whatever it prints to standard error is kept for a test to read, or lost with it.
pub(crate) struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: Option<ChildStderr>,
}

impl Run {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments)
    }

    /// With variables in its environment.
    pub(crate) fn start_in(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = binary();
        command.envs(environment.iter().copied());
        Self::start_as(command, arguments)
    }

    /// By a command of the test's own.
    pub(crate) fn start_as(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command
            .args(arguments)
            .args(["--metrics-port", "0"])
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = child.stderr.take();
        Self { child, lines, errors }
    }

    /// Nobody reads the standard output any more.
    pub(crate) fn close_lines(self) -> Ending {
        let Self { child, lines, errors } = self;
        drop(lines);
        Ending { child, errors }
    }

    /// Nobody reads the standard error any more.
    pub(crate) fn close_errors(&mut self) {
        self.errors = None;
    }

    /// All of the standard error, once the process has ended.
    pub(crate) async fn errors(&mut self) -> String {
        self.errors_to_the_end().await
    }

    /// Reads the standard error on beside whatever else happens: a process that says much would fill the pipe.
    pub(crate) fn errors_to_the_end(&mut self) -> impl Future<Output = String> + Send + 'static {
        read_to_the_end(self.errors.take().unwrap())
    }

    /// Where the pages are; reads on until the line that tells it.
    pub(crate) async fn pages(&mut self) -> SocketAddr {
        let line = self.line_of("endpoints ").await;
        let url = line.split_whitespace().nth(1).unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches("/health");
        address.parse().unwrap()
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        timeout(LIMIT, self.lines.next_line())
            .await
            .expect("a line in time")
            .unwrap()
    }

    pub(crate) async fn line_of(&mut self, start: &str) -> String {
        loop {
            let Some(line) = self.line().await else {
                panic!("no line starts with {start:?}: {}", self.errors().await)
            };
            if line.starts_with(start) {
                return line;
            }
        }
    }

    pub(crate) async fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        lines
    }

    /// Of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn interrupt(&self) {
        let id = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    /// Ends at once, with no chance to put anything in order.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn end(mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait())
            .await
            .expect("an end in time")
            .unwrap()
    }
}

pub(crate) fn summary(lines: &[String]) -> &String {
    lines
        .iter()
        .find(|line| line.starts_with("summary "))
        .unwrap_or_else(|| panic!("a summary in {lines:#?}"))
}

pub(crate) fn field<'line>(line: &'line str, name: &str) -> &'line str {
    let fields = line.split(' ').filter_map(|word| word.split_once('='));
    fields
        .into_iter()
        .find(|(key, _)| *key == name)
        .unwrap_or_else(|| panic!("{name} in {line}"))
        .1
}

/// Runs the binary to its end, which must be a good one, and gives its lines.
pub(crate) async fn command(arguments: &[&str]) -> Vec<String> {
    let running = binary().args(arguments).output();
    let output = timeout(LIMIT, running).await.expect("an end in time").unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A chain that is not the binary's own, a user of its factory, and the configuration file for a service on it.
pub(crate) async fn configured_chain(folder: &Path) -> (EmbeddedChain, Traffic, String) {
    let (wallet, requester) = (Keypair::new(), Keypair::new());
    let chain = EmbeddedChain::start(vec![wallet.pubkey(), requester.pubkey()])
        .await
        .unwrap();
    let config = configure(folder, &chain, &wallet);
    let traffic = Traffic::new(chain.endpoint().http, requester);
    traffic.initialize_factory().await.unwrap();
    (chain, traffic, config)
}

/// A configuration file for the chain, with the wallet's keypair beside it.
pub(crate) fn configure(folder: &Path, chain: &EmbeddedChain, wallet: &Keypair) -> String {
    let (keypair, config) = (folder.join("keypair.json"), folder.join("config.toml"));
    std::fs::write(&keypair, format!("{:?}", wallet.to_bytes())).unwrap();
    std::fs::set_permissions(&keypair, Permissions::from_mode(0o600)).unwrap();
    let endpoint = chain.endpoint();
    let (keypair, state) = (keypair.display(), folder.join("state"));
    let text = format!(
        "[rpc]\nurl = {:?}\nws_url = {:?}\n[service]\nkeypair_path = \"{keypair}\"\nstate_dir = \"{}\"\n",
        endpoint.http,
        endpoint.ws,
        state.display(),
    );
    std::fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

/// A run whose lines nobody reads any more.
pub(crate) struct Ending {
    child: Child,
    errors: Option<ChildStderr>,
}

impl Ending {
    pub(crate) async fn errors(&mut self) -> String {
        read_to_the_end(self.errors.take().unwrap()).await
    }

    pub(crate) async fn end(mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait())
            .await
            .expect("an end in time")
            .unwrap()
    }
}

async fn read_to_the_end(mut errors: ChildStderr) -> String {
    let mut text = Vec::new();
    timeout(LIMIT, errors.read_to_end(&mut text))
        .await
        .expect("an end in time")
        .unwrap();
    String::from_utf8(text).unwrap()
}

/// A page of a running service: its status, and its text.
pub(crate) async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = format!("http://{address}{path}").parse().unwrap();
    let answer = timeout(LIMIT, client.get(url))
        .await
        .expect("an answer in time")
        .unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A command's exit code, lines and errors.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

impl Ended {
    pub(crate) fn last(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }
}

/// Runs a command to its end, whatever that is.
pub(crate) async fn ended(arguments: &[&str]) -> Ended {
    let running = binary().args(arguments).output();
    let output = timeout(LIMIT, running).await.expect("an end in time").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code().unwrap(),
        lines: text(output.stdout).lines().map(str::to_owned).collect(),
        errors: text(output.stderr),
    }
}

/// Runs a service that is configured so that it gives sessions up, and stops it.
pub(crate) async fn give_up(traffic: &Traffic, config: &str, variable: (&str, &str), sessions: &[u64]) {
    let mut run = Run::start_in(&[variable], &["--config", config]);
    run.line_of("listening").await;
    for number in sessions {
        traffic.request(*number).await.unwrap();
    }
    for _ in sessions {
        run.line_of("dead-letter ").await;
    }
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
}
