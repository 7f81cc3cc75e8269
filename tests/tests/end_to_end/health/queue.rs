//! Causes that lie with SQS.

use serde_json::json;
use session_chain::Endpoint;
use session_tests::{
    chain::TestChain,
    fault_proxy::{ANY, Fault, FaultProxy, Gate},
    sqs_server::{QueueAttributes, SqsServer},
};
use std::time::Duration;

use super::service::Service;

pub(crate) async fn the_queue_is_broken() {
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let server = SqsServer::start().await;
    let queues = server
        .create(QueueAttributes {
            visibility_timeout: Duration::from_secs(30),
            max_receive_count: 1_000,
        })
        .await;
    let upstream = Endpoint {
        http: queues.endpoint_url.clone(),
        ws: String::new(),
    };
    let proxy = FaultProxy::start(&upstream).await;
    let wallet = chain.wallet(100_000_000_000).await;
    let settings = [
        ("QUEUE__KIND", String::from("sqs")),
        ("QUEUE__URL", queues.url.clone()),
        ("QUEUE__DEAD_LETTER_URL", queues.dead_letter_url.clone()),
        ("QUEUE__ENDPOINT_URL", proxy.endpoint().http),
        ("POLICY__SIZE_MAX_BYTES", String::from("300")),
    ];
    let service = Service::start(folder.path(), &chain.endpoint(), &wallet, &settings).await;
    let denied = || {
        let body = json!({"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "not authorized"});
        Fault::Reply(403, body)
    };

    let gate = Gate::closed();
    let cause = "The queue never answers";
    proxy.spoil_all(ANY, Fault::Hold(gate.clone()));
    service.goes_red(cause).await;
    proxy.heal();
    gate.open();
    service.recovers(cause).await;

    let cause = "The queue's service is down";
    proxy.spoil_all(ANY, Fault::Status(503, None));
    service.goes_red(cause).await;
    proxy.heal();
    service.recovers(cause).await;

    let cause = "Messages may not be sent";
    proxy.spoil_all("SendMessageBatch", denied());
    chain.request_session().await;
    service.goes_red(cause).await;
    proxy.heal();
    service.recovers(cause).await;

    let cause = "Messages may not be received";
    proxy.spoil_all("ReceiveMessage", denied());
    // It ends the long poll that is under way.
    chain.request_session().await;
    service.goes_red(cause).await;
    proxy.heal();
    service.recovers(cause).await;

    let cause = "The dead-letter queue refuses letters";
    let letters = queues.dead_letter_url.rsplit('/').next().unwrap();
    proxy.spoil_particular("SendMessageBatch", letters, denied());
    let too_large = session_events::factory::SessionRequest {
        namespaces: (0..10).map(|number| format!("namespace-{number:04}")).collect(),
        ..chain.session_request()
    };
    chain.send(&[chain.request_instruction(&too_large)]).await.unwrap();
    service.goes_red(cause).await;
    proxy.heal();
    service.recovers(cause).await;

    // What is done with cannot be deleted, and what is given up cannot be counted: nobody waits for either.
    proxy.spoil_all("DeleteMessageBatch", denied());
    service
        .stays_green("messages are not deleted, and accounts are verified", &chain, "queue")
        .await;
    service.kill().await;
    server.stop().await;
}
