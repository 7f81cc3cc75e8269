//! Compares a million entries of a stub node with account state, twice: prints what was found missing, the peak memory of the
//! process that compares, and what each comparison asked for. Fails if a hundred are not found, or if the second one asks for
//! a tenth of the first or more.
//!
//! ```sh
//! cargo run --release -p session-tests --example reconcile_million -- [ENTRIES]
//! ```

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use session_chain::Endpoint;
use session_listener::{Lasting, ListenerConfig, ReconcileConfig, ReconcileRequest, reconcile};
use session_tests::{
    entries_node::{EntriesNode, Holdings, Traffic},
    listening::{Collector, lasting_in, pool},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

const ENTRIES: u64 = 1_000_000;
const MISSING: u64 = 100;
/// Set in the process that compares: where the node is.
const NODE: &str = "RECONCILE_MILLION_NODE";

#[tokio::main]
async fn main() -> Result<()> {
    if let Ok(http) = std::env::var(NODE) {
        return compare_twice(http).await;
    }
    let entries = std::env::args().nth(1).map_or(Ok(ENTRIES), |entries| entries.parse())?;
    let holdings = Holdings {
        served: entries.saturating_sub(MISSING),
        missing: MISSING,
        ..Holdings::default()
    };
    let node = EntriesNode::start(holdings).await;
    let mut child = Command::new(std::env::current_exe()?)
        .env(NODE, node.endpoint().http)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let mut asked = Vec::new();
    let mut started = Instant::now();
    while let Some(line) = lines.next_line().await? {
        let Traffic { calls, bytes } = node.traffic();
        println!(
            "{line}  calls {calls}  bytes {bytes}  in {:.1} s",
            started.elapsed().as_secs_f64()
        );
        asked.push((calls, bytes));
        started = Instant::now();
    }
    ensure!(child.wait().await?.success(), "the comparison failed");
    let [first, second] = asked.as_slice() else {
        anyhow::bail!("two comparisons, and not {}", asked.len());
    };
    let tenth = second.0 * 10 < first.0 && second.1 * 10 < first.1;
    ensure!(
        tenth,
        "the second comparison asked for {second:?}, the first for {first:?}"
    );
    Ok(())
}

/// Compares twice, with a memory that is on disk in between, and prints a line for each.
async fn compare_twice(http: String) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = ListenerConfig {
        reconcile: ReconcileConfig {
            calls_per_second: 0,
            ..ReconcileConfig::default()
        },
        ..ListenerConfig::default()
    };
    let ws = String::from("ws://127.0.0.1:1");
    let pool = pool(Endpoint { http, ws });
    let collector = Collector::start();
    for number in 1..=2 {
        let lasting: Lasting = lasting_in(folder.path());
        let (queue, stop) = (collector.queue(), CancellationToken::new());
        let report = reconcile(
            &config,
            pool.clone(),
            queue,
            &lasting,
            ReconcileRequest::default(),
            stop,
        )
        .await?;
        println!(
            "comparison {number}: entries {}  existing {}  remembered {}  missing {}  peak memory {:.1} MB",
            report.entries,
            report.existing,
            report.remembered,
            report.queued.count,
            peak_memory_mb()?,
        );
        ensure!(
            report.queued.count == MISSING,
            "{} were found missing",
            report.queued.count
        );
    }
    Ok(())
}

fn peak_memory_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("VmHWM")?;
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1_024.0)
}
