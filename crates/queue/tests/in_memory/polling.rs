//! A receive waits for its first message, no shorter and no longer than it has to.

use std::{sync::Arc, time::Duration};

use session_queue::{Queue, QueueError};
use tokio::time::Instant;

use crate::queues::{VISIBILITY_TIMEOUT, change_visibility, queues, receive, request, send};

const WAIT: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_poll_without_messages_ends_when_its_wait_is_over() {
    let queues = queues();
    let started = Instant::now();
    assert!(queues.source.receive(request(10, WAIT)).await.unwrap().is_empty());
    assert_eq!(started.elapsed().as_secs(), WAIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_send_ends_every_poll_that_waits_and_one_gets_the_message() {
    let queues = queues();
    let poll = || {
        let queue = Arc::clone(&queues.source);
        tokio::spawn(async move { queue.receive(request(10, WAIT)).await.unwrap().len() })
    };
    let (first, second) = (poll(), poll());
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    send(&queues.source, "a").await;
    let received = first.await.unwrap() + second.await.unwrap();
    assert_eq!(received, 1);
    assert_eq!(started.elapsed().as_secs(), WAIT.as_secs(), "the other one waited on");
}

#[tokio::test(start_paused = true)]
async fn a_poll_ends_when_a_hidden_message_becomes_visible() {
    let queues = queues();
    send(&queues.source, "a").await;
    let handle = receive(&queues.source).await.unwrap().receipt_handle;
    tokio::time::advance(VISIBILITY_TIMEOUT.saturating_sub(Duration::from_secs(3))).await;
    let started = Instant::now();
    let again = queues.source.receive(request(10, WAIT)).await.unwrap();
    assert_eq!((again.len(), started.elapsed().as_secs()), (1, 3));
    assert_ne!(again[0].receipt_handle, handle);
}

#[tokio::test(start_paused = true)]
async fn a_poll_ends_when_a_message_is_made_visible_early() {
    let queues = queues();
    send(&queues.source, "a").await;
    let handle = receive(&queues.source).await.unwrap().receipt_handle;
    let queue = Arc::clone(&queues.source);
    let started = Instant::now();
    let poll = tokio::spawn(async move { queue.receive(request(1, WAIT)).await.unwrap() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    change_visibility(&queues.source, &handle, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(poll.await.unwrap()[0].receive_count, 2);
    assert_eq!(started.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_sqs_refuses_in_a_receive_is_refused() {
    let queues = queues();
    for max_messages in [0, 11] {
        let refused = queues.source.receive(request(max_messages, Duration::ZERO)).await;
        assert!(matches!(refused, Err(QueueError::BatchLength { entries }) if entries == max_messages));
    }
    let refused = queues.source.receive(request(1, Duration::from_secs(21))).await;
    assert!(matches!(refused, Err(QueueError::OutOfRange { .. })), "{refused:?}");
    let mut too_long = request(1, Duration::ZERO);
    too_long.visibility_timeout = Some(Duration::from_hours(13));
    let refused = queues.source.receive(too_long).await;
    assert!(matches!(refused, Err(QueueError::OutOfRange { .. })), "{refused:?}");
}
