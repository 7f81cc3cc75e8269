//! One of two endpoints lies: nothing is lost, and the metrics say who it was.

use std::{sync::Arc, time::Duration};

use session_chain::{CommitmentConfig, Endpoint, RetryPolicy, RpcPool};
use session_listener::{ListenerConfig, StartAt};
use session_tests::{
    chain::TestChain,
    listening::{Collector, Listening, pool_over, quick_config},
    lying_node::{Lie, LyingNode},
    metrics::{disagreements, metrics},
    ports::free_port,
};

use super::events::request;

const BEFORE: usize = 12;
const DURING: usize = 6;

/// Behind a liar and an honest node, without any notifications: everything comes, and the watermark passes it.
async fn outlives(chain: &TestChain, lie: Lie, subject: Option<&str>) {
    metrics();
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let mut sessions = request(chain, BEFORE).await;
    let node = LyingNode::start(chain.endpoint(), lie).await;
    let liar = node.endpoint();
    let honest = Endpoint {
        ws: format!("ws://127.0.0.1:{}", free_port()),
        ..chain.endpoint()
    };
    let endpoints = vec![liar.clone(), honest.clone()];
    let mut listening = Listening::start(quick_config(), pool_over(endpoints), collector.queue(), folder.path());
    collector.all_of(&sessions).await;
    sessions.extend(request(chain, DURING).await);
    collector.all_of(&sessions).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    let status = listening.status();
    assert_eq!((status.quarantine.items, status.stalled), (0, None), "{lie:?}");
    assert!(
        status.watermark_slot.unwrap() < 1_000_000_000,
        "{lie:?}: {:?}",
        status.watermark_slot
    );
    listening.stop().await.unwrap();
    if let Some(subject) = subject {
        assert!(
            disagreements(&liar, subject) > 0,
            "{lie:?} is not counted:\n{}",
            metrics()
        );
        assert_eq!(disagreements(&honest, subject), 0, "{lie:?}");
    }
}

pub(crate) async fn a_node_that_lags_loses_nothing(chain: Arc<TestChain>) {
    outlives(&chain, Lie::Lags(30), None).await;
}

pub(crate) async fn a_node_that_lists_nothing_before_is_contradicted(chain: Arc<TestChain>) {
    outlives(&chain, Lie::ListsNothingBefore, Some("history")).await;
}

pub(crate) async fn a_node_without_every_third_transaction_is_contradicted(chain: Arc<TestChain>) {
    outlives(&chain, Lie::NullEveryThird, Some("transaction")).await;
}

pub(crate) async fn a_node_that_prunes_is_contradicted(chain: Arc<TestChain>) {
    outlives(&chain, Lie::Prunes(2), Some("history")).await;
}

pub(crate) async fn a_late_index_loses_nothing(chain: Arc<TestChain>) {
    outlives(&chain, Lie::LateIndex(20), None).await;
}

pub(crate) async fn an_absurd_slot_is_contradicted(chain: Arc<TestChain>) {
    outlives(&chain, Lie::AbsurdSlot, Some("tip")).await;
}

/// Its finalized slot is before its first block, of which nobody can prove that nothing came before.
pub(crate) async fn a_chain_that_is_younger_than_its_finality_is_no_stall(chain: Arc<TestChain>) {
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let config = ListenerConfig {
        start_at: StartAt::Now,
        ..quick_config()
    };
    let retry = RetryPolicy::default();
    let limit = Duration::from_secs(5);
    let nodes = RpcPool::new(vec![chain.endpoint()], CommitmentConfig::finalized(), retry, limit).unwrap();
    let mut listening = Listening::start(config, nodes, collector.queue(), folder.path());
    let sessions = request(&chain, 1).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    assert_eq!(listening.status().stalled, None);
    collector.all_of(&sessions).await;
    listening.stop().await.unwrap();
}
