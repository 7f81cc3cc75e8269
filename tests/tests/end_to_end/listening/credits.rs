//! What listening costs.

use std::{sync::Arc, time::Duration};

use session_listener::{ListenerConfig, ReconcileConfig};
use session_telemetry::names;
use session_tests::{
    chain::TestChain,
    listening::{Collector, LIMIT, Listening, pool, quick_config},
    metrics::{count, metrics},
    wait,
};

use super::{
    events::request,
    hostile::{hostile, spam_operation},
    network::behind_proxy,
};

/// An hour's tokens, of which a minute's are there at once: two.
const FETCHES_PER_HOUR: u32 = 120;
/// How long nothing may be asked for the listing to be rare: it would be each second.
const QUIET: Duration = Duration::from_secs(4);

/// A configuration that lists each second, and a complete stream never within a test.
fn thrifty_config() -> ListenerConfig {
    ListenerConfig {
        listing_interval_complete: Duration::from_mins(30),
        ..quick_config()
    }
}

/// Waits until nothing is asked for a while.
async fn rare(credits: &session_chain::Credits) {
    wait::until_true("a rare listing", LIMIT, || async {
        let before = credits.total();
        tokio::time::sleep(QUIET).await;
        credits.total() - before <= 1
    })
    .await;
}

pub(crate) async fn a_complete_stream_is_hardly_listed_and_a_broken_one_at_once(chain: Arc<TestChain>) {
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let (proxy, endpoint) = behind_proxy(&chain).await;
    let nodes = pool(endpoint);
    let credits = nodes.credits().clone();
    let mut listening = Listening::start(thrifty_config(), nodes, collector.queue(), folder.path());
    listening.connected().await;
    let mut sessions = request(&chain, 2).await;
    collector.all_of(&sessions).await;
    rare(&credits).await;

    // What the stream brings costs nothing.
    let before = credits.total();
    let brought = request(&chain, 3).await;
    collector.all_of(&brought).await;
    println!(
        "three sessions by a complete stream: {} requests",
        credits.total() - before
    );
    assert!(credits.total() - before <= 1, "a listing for what was brought");
    sessions.extend(brought);

    // What it does not bring is found though the next rare listing is half an hour away.
    proxy.stall();
    let missed = request(&chain, 3).await;
    collector.all_of(&missed).await;
    sessions.extend(missed);
    proxy.clear();
    listening
        .until("a new subscription", |status| {
            status.connected && status.connections > 1
        })
        .await;
    let again = request(&chain, 1).await;
    collector.all_of(&again).await;
    sessions.extend(again);
    rare(&credits).await;
    listening.stop().await.unwrap();
    assert_eq!(collector.sessions().len(), sessions.len());
}

pub(crate) async fn truncated_logs_cost_what_the_bucket_allows(chain: Arc<TestChain>) {
    const SPAM: usize = 12;
    const WAITING_MAX: usize = 4;
    metrics();
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let config = ListenerConfig {
        truncated_fetches_per_hour: FETCHES_PER_HOUR,
        truncated_waiting_max: WAITING_MAX,
        // What has no room is postponed where account state is compared, which is not due within the test.
        reconcile: ReconcileConfig::default(),
        ..thrifty_config()
    };
    let nodes = pool(chain.endpoint());
    let credits = nodes.credits().clone();
    let mut listening = Listening::start(config, nodes, collector.queue(), folder.path());
    listening.connected().await;
    rare(&credits).await;

    let before = credits.total();
    let since = tokio::time::Instant::now();
    // Each mentions the factory, so that the stream brings it with its logs cut.
    let mut sessions = Vec::new();
    for _ in 0..SPAM {
        let wanted = chain.session_request();
        sessions.push(wanted.session_id.clone());
        let transaction = [hostile(&[spam_operation(12_000)]), chain.request_instruction(&wanted)];
        chain.send(&transaction).await.expect("the transaction succeeds");
    }
    // What comes whole is not held up by what waits.
    let whole = request(&chain, 1).await;
    collector.all_of(&whole).await;
    listening
        .until("postponed transactions", |status| {
            status.quarantine.by_reason.get("postponed") == Some(&1)
        })
        .await;
    let (spent, elapsed) = (credits.total() - before, since.elapsed());
    let bound = u64::from(FETCHES_PER_HOUR / 60) + 1 + elapsed.as_secs() * u64::from(FETCHES_PER_HOUR) / 3_600;
    println!(
        "{SPAM} transactions with cut logs in {elapsed:?}: {spent} requests, where a bucket of {FETCHES_PER_HOUR} an hour allows {bound}"
    );
    assert!(
        spent <= bound,
        "{spent} requests for {SPAM} transactions in {elapsed:?}"
    );
    assert!(collector.sessions().len() < sessions.len(), "nothing had to wait");
    listening.stop().await.unwrap();

    // A larger bucket pays for all of them.
    let resolved = format!("{}{{reason=\"postponed\"}}", names::LISTENER_QUARANTINE_RESOLVED_TOTAL);
    let before = count(&resolved);
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    collector.all_of(&sessions).await;
    listening
        .until("an empty quarantine", |status| {
            status.watermark_slot.is_some() && status.quarantine.items == 0
        })
        .await;
    wait::until_true("what was postponed", LIMIT, || async { count(&resolved) > before }).await;
    listening.stop().await.unwrap();
}

/// More notifications than may be known from them alone: the listing, which is not due for long, reads the others at once.
pub(crate) async fn what_the_fast_path_leaves_is_listed_at_once(chain: Arc<TestChain>) {
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let config = ListenerConfig {
        unlisted_max: 1,
        ..thrifty_config()
    };
    let nodes = pool(chain.endpoint());
    let credits = nodes.credits().clone();
    let mut listening = Listening::start(config, nodes, collector.queue(), folder.path());
    listening.connected().await;
    rare(&credits).await;
    let sessions = request(&chain, 4).await;
    collector.all_of(&sessions).await;
    listening.stop().await.unwrap();
}
