//! A server that refuses whole batches: for what is in some of their entries, or for the caller's sake.

use serde_json::json;
use session_chain::Endpoint;
use session_queue::{EntryError, Queue};
use session_queue_sqs::{SqsConfig, SqsQueue};
use session_tests::{
    fault_proxy::{Fault, FaultProxy},
    refusing_queue::RefusingQueue,
    sqs_server::{QueueAttributes, QueuePair, SqsServer},
};

use super::subject::{LONG, entry, receive};

/// All bodies of a batch together, in bytes: two of the test's messages, and not three.
const BYTES_MAX: usize = 250;
const BAD: &str = "what the server does not take";

async fn behind(proxy: String, queues: &QueuePair) -> SqsQueue {
    let config = SqsConfig {
        queue_url: queues.url.clone(),
        endpoint_url: Some(proxy),
        region: None,
    };
    SqsQueue::connect(config).await.unwrap()
}

/// Whatever can be taken is taken, and what cannot is named, entry by entry.
pub(crate) async fn what_is_refused_with_others_is_told_from_them(server: &SqsServer) {
    let queues = server.create(QueueAttributes::RECEIVED_ONCE).await;
    let proxy = RefusingQueue::of_whole_batches(&queues.endpoint_url, BYTES_MAX, BAD).await;
    let queue = behind(proxy.url(), &queues).await;
    let mut bodies: Vec<String> = (0..8).map(|number| format!("{number:0>100}")).collect();
    bodies.insert(3, "x".repeat(BYTES_MAX + 1));
    bodies.insert(6, BAD.to_owned());
    let entries = bodies.iter().map(|body| entry(body)).collect();
    let answers = queue.send_batch(entries).await.unwrap().entries;
    for (place, (body, answer)) in bodies.iter().zip(&answers).enumerate() {
        let code = match place {
            3 => "BatchRequestTooLong",
            6 => "InvalidMessageContents",
            _ => {
                assert!(answer.is_ok(), "{body}: {answer:?}");
                continue;
            }
        };
        let refusal = answer.as_ref().unwrap_err();
        assert!(!refusal.is_retryable(), "{refusal:?}");
        assert!(
            matches!(refusal, EntryError::Refused { code: told, .. } if told == code),
            "{refusal:?}"
        );
    }
    let received: Vec<String> = receive(&queues.source().await, 10, LONG)
        .await
        .into_iter()
        .map(|message| message.body)
        .collect();
    assert!(received.iter().all(|body| body != BAD && bodies.contains(body)));
    assert_eq!(received.len(), 8, "each that can be taken is taken once: {received:?}");
}

/// No part of a batch is tried where it is not the batch that is at fault.
pub(crate) async fn what_the_caller_may_not_do_is_refused_once(server: &SqsServer) {
    let queues = server.create(QueueAttributes::RECEIVED_ONCE).await;
    let upstream = Endpoint {
        http: queues.endpoint_url.clone(),
        ws: String::new(),
    };
    let proxy = FaultProxy::start(&upstream).await;
    let queue = behind(proxy.endpoint().http, &queues).await;
    for (number, code) in ["AccessDeniedException", "UnsupportedOperation", "QueueDoesNotExist"]
        .into_iter()
        .enumerate()
    {
        let body = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "as the test wants"});
        proxy.spoil_all("SendMessageBatch", Fault::Reply(400, body));
        let refused = queue.send_batch(vec![entry("one"), entry("other")]).await.unwrap_err();
        assert!(
            !refused.is_retryable() && refused.to_string().contains(code),
            "{refused}"
        );
        assert_eq!(proxy.requests("SendMessageBatch"), number as u64 + 1, "{code}");
    }
}
