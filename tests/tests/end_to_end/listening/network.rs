//! The WebSocket breaks in every way that it can, during traffic.

use std::sync::Arc;

use session_chain::Endpoint;
use session_message::{Message, Origin};
use session_tests::{
    chain::TestChain,
    listening::{Collector, LIMIT, Listening, pool, quick_config},
    tcp_proxy::TcpProxy,
};

use super::events::request;

/// A WebSocket text frame that holds no JSON.
const NONSENSE_FRAME: &[u8] = b"\x81\x0fthis is no JSON";
/// Bytes that are no WebSocket frame: reserved bits are set.
const NONSENSE_BYTES: &[u8] = &[0xff; 64];

/// The chain with its WebSocket behind a proxy.
pub(super) async fn behind_proxy(chain: &TestChain) -> (TcpProxy, Endpoint) {
    let endpoint = chain.endpoint();
    let proxy = TcpProxy::start(endpoint.ws.trim_start_matches("ws://").trim_end_matches('/').to_owned()).await;
    let ws = format!("ws://{}", proxy.address());
    (proxy, Endpoint { ws, ..endpoint })
}

/// Requests sessions until the stream brings one of them, and gives all their names.
async fn brought_live(chain: &TestChain, collector: &Collector) -> Vec<String> {
    let mut sessions = Vec::new();
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        assert!(tokio::time::Instant::now() < deadline, "the stream brings nothing");
        let requested = request(chain, 1).await;
        collector.all_of(&requested).await;
        let live =
            |message: &Message| message.source.origin == Origin::Live && requested.contains(&message.event.session_id);
        let is_live = collector.messages().iter().any(live);
        sessions.extend(requested);
        if is_live {
            return sessions;
        }
    }
}

/// Breaks the connection during traffic, mends it, and expects every session once it is mended.
async fn survives(chain: Arc<TestChain>, break_it: fn(&TcpProxy), mend_it: fn(&TcpProxy)) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let (proxy, endpoint) = behind_proxy(&chain).await;
    let mut listening = Listening::start(quick_config(), pool(endpoint), collector.queue(), folder.path());
    listening.connected().await;
    let mut sessions = brought_live(&chain, &collector).await;
    break_it(&proxy);
    sessions.extend(request(&chain, 3).await);
    listening
        .until("a noticed fault", |status| !status.connected || status.connections > 1)
        .await;
    sessions.extend(request(&chain, 2).await);
    mend_it(&proxy);
    listening
        .until("a new subscription", |status| {
            status.connected && status.connections > 1
        })
        .await;
    sessions.extend(request(&chain, 2).await);
    collector.all_of(&sessions).await;
    // The listing brings everything within a second: that the stream does is seen by what it was first with.
    sessions.extend(brought_live(&chain, &collector).await);

    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();
    assert_eq!(collector.sessions().len(), sessions.len());
}

pub(crate) async fn a_cut_connection_loses_nothing(chain: Arc<TestChain>) {
    survives(chain, TcpProxy::cut, |_| {}).await;
}

pub(crate) async fn a_silent_connection_is_noticed_and_loses_nothing(chain: Arc<TestChain>) {
    survives(chain, TcpProxy::stall, TcpProxy::clear).await;
}

pub(crate) async fn a_message_that_is_no_json_loses_nothing(chain: Arc<TestChain>) {
    survives(chain, |proxy| proxy.tell_clients(NONSENSE_FRAME), |_| {}).await;
}

pub(crate) async fn bytes_that_are_no_websocket_lose_nothing(chain: Arc<TestChain>) {
    survives(chain, |proxy| proxy.tell_clients(NONSENSE_BYTES), |_| {}).await;
}

pub(crate) async fn without_any_websocket_the_listing_is_enough(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    // Nobody listens on a port that was free a moment ago.
    let ws = format!("ws://127.0.0.1:{}", session_tests::ports::free_port());
    let endpoint = Endpoint { ws, ..chain.endpoint() };
    let listening = Listening::start(quick_config(), pool(endpoint), collector.queue(), folder.path());
    let sessions = request(&chain, 4).await;
    collector.all_of(&sessions).await;
    assert!(!listening.status().connected);
    listening.stop().await.unwrap();
}
