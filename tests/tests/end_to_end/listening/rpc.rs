//! The RPC refuses, lies by omission, or is behind.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use session_chain::Endpoint;
use session_tests::{
    chain::TestChain,
    fault_proxy::{Fault, FaultProxy},
    lagging_node::{Lag, LaggingNode},
    listening::{Collector, LIMIT, Listening, pool, pool_over, quick_config},
    ports::free_port,
    wait,
};

use super::events::request;

/// Without a WebSocket everything has to come by the RPC.
fn deaf(endpoint: Endpoint) -> Endpoint {
    Endpoint {
        ws: format!("ws://127.0.0.1:{}", free_port()),
        ..endpoint
    }
}

/// Spoils everything that a fill asks, in turn, and expects that nothing is lost once it is mended.
async fn survives(chain: Arc<TestChain>, fault: Fault) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let mut listening = Listening::start(
        quick_config(),
        pool(deaf(proxy.endpoint())),
        collector.queue(),
        folder.path(),
    );
    let mut sessions = request(&chain, 1).await;
    collector.all_of(&sessions).await;
    for method in ["getSlot", "getSignaturesForAddress", "getTransaction"] {
        proxy.spoil_all(method, fault.clone());
        let missed = request(&chain, 2).await;
        listening.until("a stall", |status| status.stalled.is_some()).await;
        let queued = collector.sessions();
        assert!(missed.iter().all(|session_id| !queued.contains_key(session_id)));
        proxy.heal();
        collector.all_of(&missed).await;
        listening.until("no stall", |status| status.stalled.is_none()).await;
        sessions.extend(missed);
    }
    listening.stop().await.unwrap();
    assert_eq!(collector.sessions().len(), sessions.len());
}

pub(crate) async fn rate_limits_lose_nothing(chain: Arc<TestChain>) {
    survives(chain, Fault::Status(429, Some(1))).await;
}

pub(crate) async fn an_unavailable_rpc_loses_nothing(chain: Arc<TestChain>) {
    survives(chain, Fault::Status(503, None)).await;
}

pub(crate) async fn a_node_that_says_it_is_behind_loses_nothing(chain: Arc<TestChain>) {
    survives(chain, Fault::Error(-32005, json!({"numSlotsBehind": 50}))).await;
}

pub(crate) async fn an_unsupported_version_is_a_loud_stall_and_never_a_skip(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    proxy.spoil_all("getTransaction", Fault::Error(-32015, Value::Null));
    let sessions = request(&chain, 3).await;
    let requested_at = chain.rpc().get_slot().await.unwrap();
    let mut listening = Listening::start(
        quick_config(),
        pool(deaf(proxy.endpoint())),
        collector.queue(),
        folder.path(),
    );
    listening
        .until("a stall that names the error", |status| {
            status
                .stalled
                .as_deref()
                .is_some_and(|reason| reason.contains("-32015"))
        })
        .await;
    let tries = proxy.requests("getTransaction");
    proxy.arrived("getTransaction", tries + 3).await;
    assert!(
        listening.status().watermark_slot.unwrap() < requested_at,
        "the watermark is past what was not read"
    );
    assert!(collector.messages().is_empty());
    proxy.heal();
    collector.all_of(&sessions).await;
    listening.stop().await.unwrap();
}

pub(crate) async fn one_transaction_that_cannot_be_had_does_not_stop_those_behind_it(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let listen = || {
        Listening::start(
            quick_config(),
            pool(deaf(proxy.endpoint())),
            collector.queue(),
            folder.path(),
        )
    };
    let (withheld, signature) = chain.request_session().await;
    let slot = chain.rpc().get_slot().await.unwrap();
    let refusal = Fault::Error(-32015, Value::Null);
    proxy.spoil_particular("getTransaction", &signature.to_string(), refusal);
    let behind = request(&chain, 3).await;
    let mut listening = listen();
    collector.all_of(&behind).await;
    listening
        .until("a status that names the transaction", |status| {
            let named = |oldest: &String| oldest.contains(&signature.to_string());
            status.quarantine.oldest.as_ref().is_some_and(named) && status.stalled.is_none()
        })
        .await;
    let later = request(&chain, 2).await;
    collector.all_of(&later).await;
    assert!(!collector.sessions().contains_key(&withheld.session_id));
    // What is in quarantine outlives the process, so the watermark passes it.
    listening.watermark_at(slot + 1).await;
    listening.stop().await.unwrap();

    let mut listening = listen();
    listening
        .until("the same after a restart", |status| status.quarantine.items == 1)
        .await;
    assert!(!collector.sessions().contains_key(&withheld.session_id));
    proxy.heal();
    collector.all_of(&[withheld.session_id]).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening
        .until("an empty quarantine", |status| status.quarantine.items == 0)
        .await;
    listening.stop().await.unwrap();
}

pub(crate) async fn short_pages_are_no_end_of_history(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let lag = Lag {
        slots: 0,
        index_slots: 0,
        page_max: 2,
    };
    let node = LaggingNode::start(chain.endpoint(), lag).await;
    let sessions = request(&chain, 9).await;
    let mut listening = Listening::start(
        quick_config(),
        pool(deaf(node.endpoint())),
        collector.queue(),
        folder.path(),
    );
    collector.all_of(&sessions).await;
    let later = request(&chain, 5).await;
    collector.all_of(&later).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
}

pub(crate) async fn a_node_behind_the_watermark_is_waited_for(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    let before = request(&chain, 2).await;
    collector.all_of(&before).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();

    let node = LaggingNode::start(
        chain.endpoint(),
        Lag {
            slots: 50,
            index_slots: 0,
            page_max: 1_000,
        },
    )
    .await;
    let mut listening = Listening::start(
        quick_config(),
        pool(deaf(node.endpoint())),
        collector.queue(),
        folder.path(),
    );
    let behind = request(&chain, 2).await;
    listening.until("a stall", |status| status.stalled.is_some()).await;
    assert!(
        listening.status().watermark_slot.unwrap() >= tip,
        "the watermark went back"
    );
    // It catches up, and its index does not: what it tells of its tip says nothing about what it lists.
    node.set(Lag {
        slots: 0,
        index_slots: 20,
        page_max: 1_000,
    });
    collector.all_of(&behind).await;
    let late = request(&chain, 2).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    // What the watermark has passed is not listed again.
    collector.all_of(&late).await;
    listening.stop().await.unwrap();
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
}

pub(crate) async fn the_next_endpoint_serves_while_the_first_is_down(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    for method in ["getSlot", "getSignaturesForAddress", "getTransaction"] {
        proxy.spoil_all(method, Fault::Status(503, None));
    }
    let endpoints = vec![deaf(proxy.endpoint()), chain.endpoint()];
    let mut listening = Listening::start(quick_config(), pool_over(endpoints), collector.queue(), folder.path());
    listening.connected().await;
    let sessions = request(&chain, 3).await;
    collector.all_of(&sessions).await;
    proxy.heal();
    let asked = proxy.requests("getSlot");
    wait::until_true(
        "the first endpoint's return",
        LIMIT + Duration::from_secs(30),
        || async { proxy.requests("getSlot") > asked },
    )
    .await;
    listening.stop().await.unwrap();
}
