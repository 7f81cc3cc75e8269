//! The binary as its user runs it: what it prints, what it serves, how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    collections::{BTreeSet, HashSet},
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use session_builder::{embedded::EmbeddedChain, traffic::Traffic};
use session_chain::{CommitmentConfig, RpcClient};
use session_events::session::SESSION_PROGRAM_ID;
use solana_pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signer};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A run of a debug build on a busy machine ends by then.
const LIMIT: Duration = Duration::from_mins(3);

struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Run {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_session-builder"))
            .args(arguments)
            .args(["--metrics-port", "0"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> Option<String> {
        timeout(LIMIT, self.lines.next_line())
            .await
            .expect("a line in time")
            .unwrap()
    }

    async fn line_of(&mut self, start: &str) -> String {
        loop {
            let line = self
                .line()
                .await
                .unwrap_or_else(|| panic!("no line starts with {start:?}"));
            if line.starts_with(start) {
                return line;
            }
        }
    }

    async fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        lines
    }

    async fn interrupt(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    async fn end(mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait())
            .await
            .expect("an end in time")
            .unwrap()
    }
}

fn summary(lines: &[String]) -> &String {
    lines
        .iter()
        .find(|line| line.starts_with("summary "))
        .unwrap_or_else(|| panic!("a summary in {lines:#?}"))
}

fn field<'line>(line: &'line str, name: &str) -> &'line str {
    let fields = line.split(' ').filter_map(|word| word.split_once('='));
    fields
        .into_iter()
        .find(|(key, _)| *key == name)
        .unwrap_or_else(|| panic!("{name} in {line}"))
        .1
}

#[tokio::test]
async fn fifty_sessions_end_with_exit_0() {
    let mut run = Run::start(&["--sessions", "50", "--rate", "20"]);
    let lines = run.rest().await;
    let verified: Vec<&String> = lines.iter().filter(|line| line.starts_with("verified ")).collect();
    let addresses: HashSet<&str> = verified.iter().map(|line| field(line, "pda")).collect();
    assert_eq!((verified.len(), addresses.len()), (50, 50), "{lines:#?}");
    for line in verified {
        assert_eq!(field(line, "attempt"), "1", "{line}");
        assert!(
            field(line, "signature").len() > 80 && field(line, "size").parse::<u64>().is_ok(),
            "{line}"
        );
        assert!(field(line, "latency_ms").parse::<u64>().unwrap() < 5_000, "{line}");
    }
    let sizes: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line.starts_with("verified "))
        .map(|line| field(line, "size"))
        .collect();
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), ["168", "184", "208", "360"]);
    let summary = summary(&lines);
    assert!(summary.starts_with("summary   verified 50  created 50 "), "{summary}");
    assert!(run.end().await.success());
}

#[tokio::test]
async fn an_interrupt_drains_and_sums_up_and_the_chain_agrees() {
    let mut run = Run::start(&["--rate", "10"]);
    let chain = run.line_of("chain ").await;
    let rpc_url = chain.split_whitespace().nth(1).unwrap().to_owned();
    let endpoints = run.line_of("endpoints ").await;
    let rpc = RpcClient::new_with_commitment(rpc_url, CommitmentConfig::confirmed());
    for _ in 0..5 {
        let line = run.line_of("verified ").await;
        let address: Pubkey = field(&line, "pda").parse().unwrap();
        let account = rpc.get_account(&address).await.unwrap();
        assert_eq!(account.owner, SESSION_PROGRAM_ID);
        assert_eq!(account.data.len().to_string(), field(&line, "size"));
        assert!(account.data.iter().all(|byte| *byte == 0));
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    for (url, expected) in
        endpoints
            .split_whitespace()
            .skip(1)
            .zip(["status", "accounts_created", "accounts_created_total"])
    {
        let answer = client.get(url.parse().unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(expected), "{url}: {body}");
    }
    run.interrupt().await;
    let lines = run.rest().await;
    assert!(lines.iter().any(|line| line == "draining"), "{lines:#?}");
    assert!(summary(&lines).contains("dead letters 0"), "{lines:#?}");
    assert!(run.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_chain_is_served_and_a_restart_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;

    let mut run = Run::start(&["--config", &config]);
    run.line_of("listening").await;
    traffic.request(1).await.unwrap();
    assert_eq!(field(&run.line_of("verified ").await, "session"), "session-00001");
    run.interrupt().await;
    assert!(summary(&run.rest().await).starts_with("summary   verified 1 "));
    assert!(run.end().await.success());

    traffic.request(2).await.unwrap();
    let mut run = Run::start(&["--config", &config]);
    let verified = run.line_of("verified ").await;
    assert_eq!(
        field(&verified, "session"),
        "session-00002",
        "requested while nobody listened"
    );
    run.interrupt().await;
    // The first may be read once more, as the cursor is never ahead; it is not created once more.
    let lines = run.rest().await;
    assert!(summary(&lines).contains("  created 1  "), "{lines:#?}");
    assert!(run.end().await.success());
    chain.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_serves_what_was_requested_before_the_service_existed() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    for number in 1..=3 {
        traffic.request(number).await.unwrap();
    }

    // The newest slots are left out until a node's listing of them is final.
    let looked = timeout(LIMIT, async {
        loop {
            let looked = command(&["backfill", "--from", "0", "--dry-run", "--config", &config]).await;
            if looked.last().unwrap().ends_with("events 3") {
                return looked;
            }
        }
    });
    let looked = looked.await.expect("a dry run finds all three");
    assert!(!looked.iter().any(|line| line.starts_with("verified ")), "{looked:#?}");
    let served = command(&["backfill", "--from", "0", "--config", &config]).await;
    assert_eq!(
        served.iter().filter(|line| line.starts_with("verified ")).count(),
        3,
        "{served:#?}"
    );

    let reconciled = command(&["reconcile", "--config", &config]).await;
    let last = reconciled.last().unwrap();
    assert!(
        last.starts_with("reconciled entries 3  requested 3 ") && last.ends_with("queued 0"),
        "{last}"
    );
    chain.stop().unwrap();
}

/// Runs the binary to its end, which must be a good one, and gives its lines.
async fn command(arguments: &[&str]) -> Vec<String> {
    let running = Command::new(env!("CARGO_BIN_EXE_session-builder"))
        .args(arguments)
        .output();
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
async fn configured_chain(folder: &Path) -> (EmbeddedChain, Traffic, String) {
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
fn configure(folder: &Path, chain: &EmbeddedChain, wallet: &Keypair) -> String {
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

#[tokio::test]
async fn a_bad_configuration_is_refused_with_all_its_faults() {
    let folder = std::env::temp_dir().join(format!("session-builder-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    std::fs::write(&file, "[rpc]\ncommitment = \"processed\"\n[retry]\nmax_retrys = 3\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_session-builder"))
        .arg("--config")
        .arg(&file)
        .output()
        .await
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        message.contains("rpc.commitment") && message.contains("processed"),
        "{message}"
    );
    assert!(
        message.contains("retry.max_retrys") && message.contains("retry.max_retries"),
        "{message}"
    );
}
