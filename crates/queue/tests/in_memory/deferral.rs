//! A message that waits for its moment is out of everybody's way until then.

use std::time::Duration;

use futures::FutureExt;
use session_queue::{DeferEntry, InMemoryQueue, Queue, QueueError};
use tokio::time::advance;

use crate::queues::{CAPACITY, MAX_RECEIVE_COUNT, delete, entry, exhaust, queues, receive, request, send};

const HOUR: Duration = Duration::from_hours(1);

fn deferral(body: &str, delay: Duration) -> DeferEntry {
    let entry = entry(body);
    DeferEntry {
        body: entry.body,
        attributes: entry.attributes,
        delay,
    }
}

async fn defer(queue: &InMemoryQueue, body: &str, delay: Duration) {
    let outcome = queue.defer_batch(vec![deferral(body, delay)]).await.unwrap();
    assert_eq!(outcome.entries, [Ok(())]);
}

#[tokio::test(start_paused = true)]
async fn a_deferred_message_comes_at_its_moment_with_its_attempts_counted_anew() {
    let queues = queues();
    defer(&queues.source, "a", HOUR).await;
    let depth = queues.source.depth().await.unwrap();
    assert_eq!((depth.total(), depth.deferred), (0, 1), "a drain does not wait for it");
    advance(HOUR.checked_sub(Duration::from_millis(1)).unwrap()).await;
    assert_eq!(receive(&queues.source).await, None);
    advance(Duration::from_millis(1)).await;
    let message = receive(&queues.source).await.unwrap();
    assert_eq!((message.body.as_str(), message.receive_count), ("a", 1));
    assert_eq!(queues.source.depth().await.unwrap().deferred, 0);
    delete(&queues.source, &message.receipt_handle).await.unwrap();
    advance(10 * HOUR).await;
    assert_eq!(receive(&queues.source).await, None, "once is enough");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_waits_hears_of_it() {
    let queues = queues();
    let twenty = Duration::from_secs(20);
    let polled = queues.source.receive(request(1, twenty));
    defer(&queues.source, "a", Duration::from_secs(5)).await;
    let before = tokio::time::Instant::now();
    assert_eq!(polled.await.unwrap().len(), 1);
    assert_eq!(before.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_that_wait_take_nobodys_place() {
    let queues = queues();
    for number in 0..100 {
        let entries = (0..10)
            .map(|place| deferral(&format!("late {number}.{place}"), HOUR))
            .collect();
        let outcome = queues.source.defer_batch(entries).await.unwrap();
        assert!(outcome.entries.iter().all(Result::is_ok));
    }
    for number in 0..CAPACITY {
        send(&queues.source, &format!("now {number}")).await;
    }
    let received = queues.source.receive(request(10, Duration::ZERO)).await.unwrap();
    assert!(received.iter().all(|message| message.body.starts_with("now")));
    advance(HOUR).await;
    let mut late = 0;
    while let Some(message) = receive(&queues.source).now_or_never().flatten() {
        late += u32::from(message.body.starts_with("late"));
        delete(&queues.source, &message.receipt_handle).await.unwrap();
    }
    assert_eq!(late, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_deferred_message_that_fails_becomes_a_dead_letter_and_waits_no_more() {
    let queues = queues();
    defer(&queues.source, "a", HOUR).await;
    advance(HOUR).await;
    exhaust(&queues.source).await;
    assert_eq!(receive(&queues.source).await, None);
    let letter = receive(&queues.dead_letters).await.unwrap();
    assert_eq!(
        (letter.body.as_str(), letter.receive_count),
        ("a", MAX_RECEIVE_COUNT + 1)
    );
    assert_eq!(queues.source.depth().await.unwrap().deferred, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_does_not_wait() {
    let queues = queues();
    let refused = queues.dead_letters.defer_batch(vec![deferral("a", HOUR)]).await;
    assert!(matches!(refused, Err(QueueError::NoDeferral { .. })), "{refused:?}");
}
