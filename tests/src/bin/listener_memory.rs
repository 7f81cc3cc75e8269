//! Measures a listener's peak memory while it publishes 1,000 and 100,000 events of backlog. Prints both and their ratio,
//! and fails if the ratio is over 1.5.
//!
//! Each backlog is read by a process of its own, so that its peak is its own.

use std::{process::Command, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use session_chain::Endpoint;
use session_listener::{ListenerConfig, ReconcileConfig};
use session_queue::{
    Accepted, BatchOutcome, Depth, MessageId, Queue, QueueError, ReceiptHandle, ReceiveRequest, ReceivedMessage,
    SendEntry, SendOutcome, Settled, VisibilityEntry,
};
use session_tests::{
    listening::{Listening, pool, quick_config},
    synthetic_node::SyntheticNode,
};
use tokio::time::Instant;

const SMALL: u64 = 1_000;
const LARGE: u64 = 100_000;
const RATIO_MAX: f64 = 1.5;
/// Slots that the node has for certain.
const TIP_AT_LEAST: u64 = 10;

/// A queue that takes everything and keeps nothing, so that only the listener's own memory counts.
struct Bottomless;

#[async_trait]
impl Queue for Bottomless {
    fn name(&self) -> &'static str {
        "bottomless"
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        let accepted = |_| {
            Ok(Accepted {
                message_id: MessageId::new(String::from("0")),
                settled: Settled::Now,
            })
        };
        Ok(SendOutcome {
            entries: entries.into_iter().map(accepted).collect(),
        })
    }

    async fn receive(&self, _: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        Ok(Vec::new())
    }

    async fn change_visibility_batch(&self, _: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        Ok(BatchOutcome { entries: Vec::new() })
    }

    async fn delete_batch(&self, _: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        Ok(BatchOutcome { entries: Vec::new() })
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [http, ws, transactions] = arguments.as_slice() {
        return read_all(
            Endpoint {
                http: http.clone(),
                ws: ws.clone(),
            },
            transactions.parse()?,
        )
        .await;
    }
    let (small, large) = (measure(SMALL).await?, measure(LARGE).await?);
    let ratio = large / small;
    println!("peak memory: {small:.1} MB for {SMALL} events, {large:.1} MB for {LARGE}: ratio {ratio:.2}");
    ensure!(
        ratio <= RATIO_MAX,
        "memory grows with the backlog: ratio {ratio:.2}, at most {RATIO_MAX}"
    );
    Ok(())
}

/// Peak memory in MB of a process that reads so many transactions.
async fn measure(transactions: u64) -> Result<f64> {
    let node = SyntheticNode::start(transactions).await;
    let endpoint = node.endpoint();
    let started = Instant::now();
    let child = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe()?)
            .args([endpoint.http, endpoint.ws, transactions.to_string()])
            .output()
    });
    let output = child.await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let elapsed = started.elapsed().as_secs_f64();
    eprintln!("{transactions} events in {elapsed:.1} s");
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Listens until the watermark is at the end, and prints the peak memory of this process in MB.
async fn read_all(endpoint: Endpoint, transactions: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let reconcile = ReconcileConfig {
        interval: None,
        ..ReconcileConfig::default()
    };
    let config = ListenerConfig {
        fetch_concurrency: 32,
        reconcile,
        ..quick_config()
    };
    let listening = Listening::start(config, pool(endpoint), Arc::new(Bottomless), folder.path());
    let end = TIP_AT_LEAST + transactions / 4;
    while listening.status().watermark_slot.is_none_or(|slot| slot < end) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    listening.stop().await?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("VmHWM")?;
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("{}", kilobytes / 1_024.0);
    Ok(())
}
