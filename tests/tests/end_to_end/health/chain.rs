//! Causes that lie with the RPC, the chain, and the WebSocket.

use serde_json::{Value, json};
use session_chain::Endpoint;
use session_tests::{
    chain::TestChain,
    fault_proxy::{ANY, Fault, FaultProxy, Gate},
    tcp_proxy::TcpProxy,
};

use super::service::Service;

const FUNDS_LAMPORTS: u64 = 100_000_000_000;

/// Every answer of the chain is spoilt in one way after the other.
pub(crate) async fn the_chain_does_not_answer() {
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let wallet = chain.wallet(FUNDS_LAMPORTS).await;
    let service = Service::start(folder.path(), &proxy.endpoint(), &wallet, &[]).await;
    let faults = [
        (
            "The RPC refuses connections or answers with HTTP 503",
            Fault::Status(503, None),
        ),
        ("The RPC takes requests and never answers", Fault::Hold(Gate::closed())),
        ("The RPC limits the rate by HTTP 429", Fault::Status(429, None)),
        (
            "The RPC limits the rate under HTTP 200, by an error in the body",
            Fault::Error(429, Value::Null),
        ),
        ("The RPC refuses the key by HTTP 401", Fault::Status(401, None)),
        ("The RPC's answers are no JSON-RPC", Fault::Reply(200, json!("<html>"))),
    ];
    for (cause, fault) in faults {
        proxy.spoil_all(ANY, fault);
        service.goes_red(cause).await;
        proxy.heal();
        service.recovers(cause).await;
    }
    let cause = "The chain stands still, or the node has lost it";
    let slot = chain.rpc().get_slot().await.unwrap();
    proxy.spoil_all("getSlot", Fault::Result(json!(slot)));
    service.goes_red(cause).await;
    proxy.heal();
    service.recovers(cause).await;
    // A node that does not tell its slot, and serves all the rest.
    proxy.spoil_all("getSlot", Fault::Status(429, None));
    service
        .stays_green("slots are not told, and accounts are verified", &chain, "rpc_slot")
        .await;
    service.kill().await;
}

/// What creations are made of is spoilt, one call after the other; whoever asks for a slot gets it.
pub(crate) async fn accounts_do_not_get_created() {
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let wallet = chain.wallet(FUNDS_LAMPORTS).await;
    let service = Service::start(folder.path(), &proxy.endpoint(), &wallet, &[]).await;
    let nothing = json!({"context": {"slot": 1}, "value": [null]});
    let faults = [
        (
            "Transactions are refused at the rate limit",
            "sendTransaction",
            Fault::Status(429, None),
        ),
        (
            "Transactions are accepted and go nowhere",
            "sendTransaction",
            Fault::Swallow,
        ),
        (
            "Transactions are refused by a node that is behind",
            "sendTransaction",
            Fault::Error(-32_005, json!({"numSlotsBehind": 5_000})),
        ),
        (
            "Transactions' statuses cannot be read",
            "getSignatureStatuses",
            Fault::Result(json!("?")),
        ),
        (
            "Transactions' statuses are never known",
            "getSignatureStatuses",
            Fault::Result(nothing),
        ),
        (
            "Accounts cannot be read",
            "getMultipleAccounts",
            Fault::Error(-32_603, Value::Null),
        ),
        (
            "Readings of accounts never end",
            "getMultipleAccounts",
            Fault::Hold(Gate::closed()),
        ),
    ];
    for (cause, method, fault) in faults {
        proxy.spoil_all(method, fault);
        chain.request_session().await;
        service.goes_red(cause).await;
        proxy.heal();
        service.recovers(cause).await;
    }
    service.kill().await;
}

/// The two ways by which events arrive are broken, alone and together.
pub(crate) async fn events_do_not_arrive() {
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let upstream = chain.endpoint().ws.replace("ws://", "");
    let socket = TcpProxy::start(upstream).await;
    let endpoint = Endpoint {
        http: proxy.endpoint().http,
        ws: format!("ws://{}", socket.address()),
    };
    let wallet = chain.wallet(FUNDS_LAMPORTS).await;
    let service = Service::start(folder.path(), &endpoint, &wallet, &[]).await;
    let refused = || Fault::Error(-32_603, Value::Null);

    // Each way alone brings every event.
    proxy.spoil_all("getSignaturesForAddress", refused());
    service
        .stays_green("the listing fails, and notifications come", &chain, "event_stream")
        .await;
    proxy.heal();
    service.is_without_warning("event_stream").await;
    socket.stall();
    service
        .stays_green(
            "notifications are silent, and the listing works",
            &chain,
            "event_stream",
        )
        .await;
    socket.clear();
    service.is_green("notifications come again").await;

    let cause = "Notifications have fallen silent and the listing fails";
    socket.stall();
    proxy.spoil_all("getSignaturesForAddress", refused());
    service.goes_red(cause).await;
    socket.clear();
    proxy.heal();
    service.recovers(cause).await;

    let cause = "Listed transactions are not given";
    socket.stall();
    proxy.spoil_all("getTransaction", Fault::Result(Value::Null));
    proxy.spoil_all("getBlock", refused());
    chain.request_session().await;
    service.goes_red(cause).await;
    proxy.heal();
    socket.clear();
    service.recovers(cause).await;

    let cause = "Neither notifications nor the listing come";
    socket.stall();
    proxy.spoil_all("getSignaturesForAddress", Fault::Hold(Gate::closed()));
    service.goes_red(cause).await;
    socket.clear();
    proxy.heal();
    service.recovers(cause).await;
    service.kill().await;
}
