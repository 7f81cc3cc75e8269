//! What a run does from its start to its end.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use session_chain::{CommitmentConfig, RpcClient};
use session_events::session::SESSION_PROGRAM_ID;
use solana_pubkey::Pubkey;
use tokio::time::{Instant, timeout};

use crate::process::{LIMIT, Run, binary, command, configured_chain, field, page, summary};

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
    let address = run.pages().await;
    let rpc = RpcClient::new_with_commitment(rpc_url, CommitmentConfig::confirmed());
    for _ in 0..5 {
        let line = run.line_of("verified ").await;
        let address: Pubkey = field(&line, "pda").parse().unwrap();
        let account = rpc.get_account(&address).await.unwrap();
        assert_eq!(account.owner, SESSION_PROGRAM_ID);
        assert_eq!(account.data.len().to_string(), field(&line, "size"));
        assert!(account.data.iter().all(|byte| *byte == 0));
    }
    for (path, expected) in [
        ("/health", "status"),
        ("/stats", "accounts_created"),
        ("/metrics", "accounts_created_total"),
    ] {
        let (_, body) = page(address, path).await;
        assert!(body.contains(expected), "{path}: {body}");
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
    let first = locked_in_rent(&config).await;
    assert!(first > 0);

    traffic.request(2).await.unwrap();
    let requested = Instant::now();
    let mut run = Run::start(&["--config", &config]);
    run.pages().await;
    let unheard = requested.elapsed();
    let verified = run.line_of("verified ").await;
    let latency: u64 = field(&verified, "latency_ms").parse().unwrap();
    assert!(
        Duration::from_millis(latency) >= unheard,
        "it counts from the block, not from when somebody looked: {latency} ms, {unheard:?}"
    );
    assert_eq!(
        field(&verified, "session"),
        "session-00002",
        "requested while nobody listened"
    );
    run.interrupt().await;
    // The first may be read once more, as the watermark is never ahead; it is not created once more.
    let lines = run.rest().await;
    assert!(summary(&lines).contains("  created 1  "), "{lines:#?}");
    assert!(run.end().await.success());
    let both = locked_in_rent(&config).await;
    assert!(both > first, "the ledger outlived the process: {first}, then {both}");
    chain.stop().unwrap();
}

/// What the books of the configured service say, of which nothing is held once it has ended.
async fn locked_in_rent(config: &str) -> u64 {
    let told = command(&["wallet", "--json", "--config", config]).await.concat();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let ledger = &told["ledger"];
    assert_eq!(ledger["open_transactions"], 0, "{ledger}");
    assert_eq!(ledger["total"]["held_lamports"], 0, "{ledger}");
    let requesters = ledger["requesters"].as_object().unwrap().values();
    let of_requesters = requesters.map(|sums| sums["locked_in_rent_lamports"].as_u64().unwrap());
    let locked = ledger["total"]["locked_in_rent_lamports"].as_u64().unwrap();
    assert_eq!(of_requesters.sum::<u64>(), locked, "{ledger}");
    locked
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
        last.starts_with("reconciled entries 3 ")
            && last.ends_with("underivable 0  malformed 0  failed shards 0  queued 0"),
        "{last}"
    );
    chain.stop().unwrap();
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_all_its_faults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[rpc]\ncommitment = \"processed\"\n[retry]\nmax_retrys = 3\n").unwrap();
    let output = binary().arg("--config").arg(&file).output().await.unwrap();
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
