//! What is queued when nothing goes wrong.

use std::sync::Arc;

use session_message::Origin;
use session_tests::{
    chain::TestChain,
    listening::{Collector, Listening, pool, quick_config},
};

/// Requests so many sessions and gives their ids.
pub(crate) async fn request(chain: &TestChain, count: usize) -> Vec<String> {
    let requests = futures::future::join_all((0..count).map(|_| chain.request_session())).await;
    requests.into_iter().map(|(request, _)| request.session_id).collect()
}

pub(crate) async fn requests_before_and_during_listening_are_queued_once_each(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let before = request(&chain, 3).await;
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    collector.all_of(&before).await;
    listening.connected().await;
    let during = request(&chain, 5).await;
    collector.all_of(&during).await;

    let tip = chain.rpc().get_slot().await.unwrap();
    listening.cursor_at(tip).await;
    listening.stop().await.unwrap();
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
    assert_eq!(collector.sessions().len(), before.len() + during.len());
    for message in collector.messages() {
        let origin = if before.contains(&message.event.session_id) {
            Origin::Fill
        } else {
            Origin::Live
        };
        assert_eq!(message.source.origin, origin, "{}", message.event.session_id);
    }
}

pub(crate) async fn a_restart_goes_on_from_the_cursor(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    let first = request(&chain, 2).await;
    collector.all_of(&first).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.cursor_at(tip).await;
    listening.stop().await.unwrap();

    let missed = request(&chain, 2).await;
    let listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    collector.all_of(&missed).await;
    listening.stop().await.unwrap();
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
}
