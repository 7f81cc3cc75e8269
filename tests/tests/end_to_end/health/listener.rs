//! The listener in a process of its own: it tells of the chain, of its queue and of the wallets that it is told of.

use std::time::Duration;

use serde_json::Value;
use session_chain::Endpoint;
use session_tests::{
    chain::TestChain,
    fault_proxy::{ANY, Fault, FaultProxy, Gate},
    http,
    listener_process::ListenerProcess,
    sqs_server::{QueueAttributes, SqsServer},
    tcp_proxy::TcpProxy,
    wait,
};
use solana_sdk::signature::Signer;

use super::service::variable;

/// It looks every second: an interval, and what a check may take.
const SOON: Duration = Duration::from_secs(12);

pub(crate) async fn the_listener_of_its_own() {
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let server = SqsServer::start().await;
    let queues = server.create(QueueAttributes::RECEIVED_ONCE).await;
    let nobody = |http: &str| Endpoint {
        http: http.to_owned(),
        ws: String::new(),
    };
    let (rpc, sqs) = (
        FaultProxy::start(&chain.endpoint()).await,
        FaultProxy::start(&nobody(&queues.endpoint_url)).await,
    );
    let socket = TcpProxy::start(chain.endpoint().ws.replace("ws://", "")).await;
    let wallet = chain.wallet(1_000_000_000).await;
    let settings = [
        ("RPC__URL", rpc.endpoint().http),
        ("RPC__WS_URL", format!("ws://{}", socket.address())),
        ("RPC__REQUEST_TIMEOUT_MS", String::from("1000")),
        ("QUEUE__KIND", String::from("sqs")),
        ("QUEUE__URL", queues.url.clone()),
        ("QUEUE__DEAD_LETTER_URL", queues.dead_letter_url.clone()),
        ("QUEUE__ENDPOINT_URL", sqs.endpoint().http),
        ("MONITORING__WALLET_ADDRESSES", wallet.pubkey().to_string()),
        ("LISTENER__LISTING_INTERVAL_SECS", String::from("1")),
        ("LISTENER__SILENCE_LIMIT_SECS", String::from("2")),
    ];
    let environment: Vec<(String, String)> = settings
        .into_iter()
        .map(|(key, value)| (variable(key), value))
        .collect();
    let listener = ListenerProcess::start(&environment, folder.path()).await;
    let address = listener.address();
    let light = |status: u16, check: &'static str| async move {
        let what = format!("{status} by {check}");
        wait::until_true(&what, SOON, || async {
            let answer = http::get(address, "/health").await;
            let failed = answer.json()["failed"].as_array().cloned().unwrap_or_default();
            answer.status == status && (check.is_empty() || failed.iter().any(|failed| failed["check"] == check))
        })
        .await;
    };

    rpc.spoil_all(ANY, Fault::Status(429, None));
    light(503, "rpc_slot").await;
    rpc.heal();
    light(200, "").await;

    socket.stall();
    light(200, "").await;
    rpc.spoil_all("getSignaturesForAddress", Fault::Error(-32_603, Value::Null));
    light(503, "event_stream").await;
    rpc.heal();
    socket.clear();
    light(200, "").await;

    let gate = Gate::closed();
    sqs.spoil_all(ANY, Fault::Hold(gate.clone()));
    light(503, "queue").await;
    sqs.heal();
    gate.open();
    light(200, "").await;

    sqs.spoil_all("SendMessageBatch", Fault::Status(400, None));
    chain.request_session().await;
    light(503, "queue").await;
    sqs.heal();
    light(200, "").await;

    chain.set_lamports(&wallet.pubkey(), 5_000_000);
    light(503, "wallet_balance").await;
    chain.set_lamports(&wallet.pubkey(), 1_000_000_000);
    light(200, "").await;
    assert!(listener.terminate().await.success());
    server.stop().await;
}
