//! A queue and its dead-letter queue, and one-message calls.

use std::{sync::Arc, time::Duration};

use session_queue::{
    Accepted, EntryError, InMemoryConfig, InMemoryQueue, Queue, ReceiptHandle, ReceiveRequest, ReceivedMessage,
    SendEntry, VisibilityEntry,
};

pub(crate) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const MAX_RECEIVE_COUNT: u32 = 3;
pub(crate) const CAPACITY: usize = 12;

/// A queue and its dead-letter queue.
pub(crate) struct Queues {
    pub(crate) source: Arc<InMemoryQueue>,
    pub(crate) dead_letters: Arc<InMemoryQueue>,
}

pub(crate) fn queues() -> Queues {
    queues_of(CAPACITY)
}

/// Queues whose dead-letter queue has this much room.
pub(crate) fn queues_of(dead_letters_capacity: usize) -> Queues {
    let (source, dead_letters) = InMemoryQueue::volatile(
        config("source", CAPACITY),
        config("dead-letters", dead_letters_capacity),
        MAX_RECEIVE_COUNT,
    );
    Queues {
        source: Arc::new(source),
        dead_letters,
    }
}

fn config(name: &str, capacity: usize) -> InMemoryConfig {
    InMemoryConfig {
        name: name.to_owned(),
        visibility_timeout: VISIBILITY_TIMEOUT,
        capacity,
    }
}

pub(crate) fn entry(body: &str) -> SendEntry {
    SendEntry {
        body: body.to_owned(),
        attributes: [(String::from("slot"), String::from("7"))].into(),
        delay: Duration::ZERO,
    }
}

pub(crate) async fn send(queue: &InMemoryQueue, body: &str) -> Accepted {
    send_entry(queue, entry(body)).await.unwrap()
}

pub(crate) async fn send_entry(queue: &InMemoryQueue, entry: SendEntry) -> Result<Accepted, EntryError> {
    queue.send_batch(vec![entry]).await.unwrap().entries.remove(0)
}

pub(crate) fn request(max_messages: usize, wait: Duration) -> ReceiveRequest {
    ReceiveRequest {
        max_messages,
        wait,
        visibility_timeout: None,
    }
}

/// Receives one message that is visible now.
pub(crate) async fn receive(queue: &InMemoryQueue) -> Option<ReceivedMessage> {
    queue.receive(request(1, Duration::ZERO)).await.unwrap().pop()
}

pub(crate) async fn change_visibility(
    queue: &InMemoryQueue,
    handle: &ReceiptHandle,
    timeout: Duration,
) -> Result<(), EntryError> {
    let entry = VisibilityEntry {
        receipt_handle: handle.clone(),
        timeout,
    };
    queue
        .change_visibility_batch(vec![entry])
        .await
        .unwrap()
        .entries
        .remove(0)
}

pub(crate) async fn delete(queue: &InMemoryQueue, handle: &ReceiptHandle) -> Result<(), EntryError> {
    queue
        .delete_batch(vec![handle.clone()])
        .await
        .unwrap()
        .entries
        .remove(0)
}

/// Receives a message as often as it may be, and lets its visibility timeout run out each time.
pub(crate) async fn exhaust(queue: &InMemoryQueue) {
    for attempt in 1..=MAX_RECEIVE_COUNT {
        assert_eq!(receive(queue).await.unwrap().receive_count, attempt);
        tokio::time::advance(VISIBILITY_TIMEOUT).await;
    }
}
