//! Behind two endpoints of which one lies: thousands of sessions, nothing lost, nothing given up, and the metrics say who it was.

use std::time::Duration;

use session_listener::{ListenerConfig, ReconcileConfig};
use session_telemetry::names;
use session_tests::{
    listening::{Collector, Listening, pool_over, quick_config},
    lying_node::{Lie, LyingNode},
    metrics::{count, disagreements, metrics},
    rooms::{Room, Test, conclude, trials},
    synthetic_node::{SyntheticChain, SyntheticNode},
    wait,
};

const NAME: &str = "liars";

pub(crate) const ROOM: Room = Room {
    name: NAME,
    run: |arguments| conclude(arguments, 6, trials(NAME, ALL)).exit_code(),
};

const ALL: &[(&str, Test)] = session_tests::tests![
    async:
        a_node_that_lags_is_outlived_and_named,
        a_node_that_lists_nothing_before_is_outlived_and_named,
        a_node_without_every_third_transaction_is_outlived_and_named,
        a_node_that_prunes_is_outlived_and_named,
        a_node_whose_index_is_late_is_outlived_and_named,
        a_node_with_an_absurd_slot_is_outlived_and_named;
];

const SESSIONS: u64 = 2_000;
const PER_SLOT: u64 = 16;
/// No chain is faster than ten slots a second, and a listener knows it.
const SLOT_TIME: Duration = Duration::from_millis(110);

/// Six of these run on two cores.
const LIMIT: Duration = Duration::from_mins(3);

async fn a_node_that_lags_is_outlived_and_named() {
    outlives(Lie::Lags(30), "tip").await;
}

async fn a_node_that_lists_nothing_before_is_outlived_and_named() {
    outlives(Lie::ListsNothingBefore, "history").await;
}

async fn a_node_without_every_third_transaction_is_outlived_and_named() {
    outlives(Lie::NullEveryThird, "transaction").await;
}

async fn a_node_that_prunes_is_outlived_and_named() {
    outlives(Lie::Prunes(2), "history").await;
}

async fn a_node_whose_index_is_late_is_outlived_and_named() {
    outlives(Lie::LateIndex(20), "history").await;
}

async fn a_node_with_an_absurd_slot_is_outlived_and_named() {
    outlives(Lie::AbsurdSlot, "tip").await;
}

/// Behind a liar and an honest node, without any notifications: everything comes, the watermark passes it, and the liar is
/// contradicted.
async fn outlives(lie: Lie, subject: &str) {
    metrics();
    let chain = SyntheticChain::growing(SESSIONS, PER_SLOT, SLOT_TIME);
    let node = SyntheticNode::of(&chain).await;
    let liar = LyingNode::start(node.endpoint(), lie).await;
    let endpoints = [liar.endpoint(), node.endpoint()];
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let config = ListenerConfig {
        reconcile: ReconcileConfig {
            interval: None,
            ..ReconcileConfig::default()
        },
        ..quick_config()
    };
    let listening = Listening::start(config, pool_over(endpoints.to_vec()), collector.queue(), folder.path());
    let sessions = chain.session_ids();
    wait::until_true("every session", LIMIT, || async {
        collector.sessions().len() == sessions.len()
    })
    .await;
    wait::until_true("the watermark behind the last one", LIMIT, || async {
        listening.status().watermark_slot >= Some(chain.last_slot())
    })
    .await;
    let status = listening.status();
    assert_eq!((status.quarantine.items, status.stalled), (0, None), "{lie:?}");
    assert!(
        status.watermark_slot <= Some(chain.tip()),
        "{lie:?}: {:?}",
        status.watermark_slot
    );
    listening.stop().await.unwrap();
    let queued = collector.sessions();
    assert!(sessions.iter().all(|session| queued.contains_key(session)), "{lie:?}");
    let [liar, honest] = &endpoints;
    let agreements = count(&format!(
        "{}{{because=\"agreement\"}}",
        names::LISTENER_STATEMENTS_TOTAL
    ));
    println!(
        "{lie:?}: {} sessions, the liar was contradicted {} times about its {subject}; {agreements} agreements of all",
        queued.len(),
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
