//! Behind two endpoints of which one lies: thousands of sessions, nothing lost, nothing given up, and the metrics say who it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::time::Duration;

use session_telemetry::names;
use session_tests::{
    listening::{Collector, Listening, pool_over, quick_config},
    lying_node::{Lie, LyingNode},
    metrics::{count, disagreements, metrics},
    synthetic_node::{SyntheticChain, SyntheticNode},
};

const SESSIONS: u64 = 2_000;
const PER_SLOT: u64 = 16;
/// No chain is faster than ten slots a second, and a listener knows it.
const SLOT_TIME: Duration = Duration::from_millis(110);

/// Each way to lie, and what the liar is contradicted about.
const LIES: [(Lie, &str); 6] = [
    (Lie::Lags(30), "tip"),
    (Lie::ListsNothingBefore, "history"),
    (Lie::NullEveryThird, "transaction"),
    (Lie::Prunes(2), "history"),
    (Lie::LateIndex(20), "history"),
    (Lie::AbsurdSlot, "tip"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_of_two_endpoints_lies_nothing_is_lost_and_the_liar_is_named() {
    metrics();
    let all = LIES.map(|(lie, subject)| tokio::spawn(outlives(lie, subject)));
    for outlived in all {
        outlived.await.unwrap();
    }
    let agreements = format!("{}{{because=\"agreement\"}}", names::LISTENER_STATEMENTS_TOTAL);
    assert!(
        count(&agreements) > 0,
        "two endpoints that agree are faster than finality"
    );
}

async fn outlives(lie: Lie, subject: &str) {
    let chain = SyntheticChain::growing(SESSIONS, PER_SLOT, SLOT_TIME);
    let node = SyntheticNode::of(&chain).await;
    let liar = LyingNode::start(node.endpoint(), lie).await;
    let endpoints = [liar.endpoint(), node.endpoint()];
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let mut listening = Listening::start(
        quick_config(),
        pool_over(endpoints.to_vec()),
        collector.queue(),
        folder.path(),
    );
    collector.all_of(&chain.session_ids()).await;
    listening.cursor_at(chain.last_slot()).await;
    let status = listening.status();
    assert_eq!((status.quarantine.items, status.stalled), (0, None), "{lie:?}");
    assert!(
        status.cursor_slot <= Some(chain.tip()),
        "{lie:?}: {:?}",
        status.cursor_slot
    );
    listening.stop().await.unwrap();
    assert_eq!(collector.sessions().len() as u64, SESSIONS, "{lie:?}");
    let [liar, honest] = &endpoints;
    println!(
        "{lie:?}: {} sessions, the liar was contradicted {} times about its {subject}",
        collector.sessions().len(),
        disagreements(liar, subject)
    );
    assert!(
        disagreements(liar, subject) > 0,
        "{lie:?} is not counted:\n{}",
        metrics()
    );
    for subject in ["tip", "history", "transaction"] {
        assert_eq!(disagreements(honest, subject), 0, "{lie:?}: {subject}");
    }
}
