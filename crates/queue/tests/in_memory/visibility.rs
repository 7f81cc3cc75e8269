//! A received message is hidden, and comes back until it is deleted.

use std::time::Duration;

use session_queue::{Depth, EntryError, Queue, ReceiptHandle};
use tokio::time::advance;

use crate::queues::{VISIBILITY_TIMEOUT, change_visibility, delete, entry, queues, receive, send, send_entry};

const TICK: Duration = Duration::from_millis(1);
const ALMOST_THE_TIMEOUT: Duration = VISIBILITY_TIMEOUT.saturating_sub(TICK);

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_for_its_visibility_timeout_and_counts_its_receives() {
    let queues = queues();
    let sent = send(&queues.source, "a").await;
    let first = receive(&queues.source).await.unwrap();
    assert_eq!((first.receive_count, &first.message_id), (1, &sent.message_id));
    assert_eq!((first.body.as_str(), first.attributes["slot"].as_str()), ("a", "7"));

    advance(ALMOST_THE_TIMEOUT).await;
    assert_eq!(receive(&queues.source).await, None);
    advance(TICK).await;
    let second = receive(&queues.source).await.unwrap();
    assert_eq!((second.receive_count, &second.message_id), (2, &first.message_id));
    assert_eq!(second.first_received_at, first.first_received_at);
    assert_ne!(second.receipt_handle, first.receipt_handle);
}

#[tokio::test(start_paused = true)]
async fn a_receive_can_say_its_own_visibility_timeout() {
    let queues = queues();
    send(&queues.source, "a").await;
    let request = session_queue::ReceiveRequest {
        max_messages: 1,
        wait: Duration::ZERO,
        visibility_timeout: Some(Duration::from_secs(2)),
    };
    queues.source.receive(request).await.unwrap();
    advance(Duration::from_secs(2)).await;
    assert!(receive(&queues.source).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_changed_visibility_counts_from_the_change() {
    let queues = queues();
    send(&queues.source, "a").await;
    let handle = receive(&queues.source).await.unwrap().receipt_handle;
    advance(ALMOST_THE_TIMEOUT).await;
    change_visibility(&queues.source, &handle, Duration::from_secs(5))
        .await
        .unwrap();
    advance(Duration::from_millis(4_999)).await;
    assert_eq!(receive(&queues.source).await, None);
    advance(TICK).await;
    let again = receive(&queues.source).await.unwrap();
    change_visibility(&queues.source, &again.receipt_handle, Duration::ZERO)
        .await
        .unwrap();
    assert!(receive(&queues.source).await.is_some(), "zero makes it visible at once");
}

#[tokio::test(start_paused = true)]
async fn no_message_is_hidden_for_more_than_12_hours_in_all() {
    let queues = queues();
    send(&queues.source, "a").await;
    let handle = receive(&queues.source).await.unwrap().receipt_handle;
    let hour = Duration::from_hours(1);
    change_visibility(&queues.source, &handle, 12 * hour).await.unwrap();
    advance(hour).await;
    let refused = change_visibility(&queues.source, &handle, 12 * hour).await;
    assert_eq!(refused, Err(EntryError::VisibilityTooLong { timeout: 12 * hour }));
    change_visibility(&queues.source, &handle, 11 * hour).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_expired_handle_changes_nothing_and_still_deletes() {
    let queues = queues();
    send(&queues.source, "a").await;
    let handle = receive(&queues.source).await.unwrap().receipt_handle;
    advance(VISIBILITY_TIMEOUT).await;
    let refused = change_visibility(&queues.source, &handle, VISIBILITY_TIMEOUT).await;
    assert!(matches!(refused, Err(EntryError::NotInFlight { .. })), "{refused:?}");
    delete(&queues.source, &handle).await.unwrap();
    assert_eq!(queues.source.depth().await.unwrap(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_handle_deletes_and_changes() {
    let queues = queues();
    send(&queues.source, "a").await;
    let old = receive(&queues.source).await.unwrap().receipt_handle;
    advance(VISIBILITY_TIMEOUT).await;
    let new = receive(&queues.source).await.unwrap().receipt_handle;

    delete(&queues.source, &old).await.unwrap();
    assert_eq!(
        queues.source.depth().await.unwrap().in_flight,
        1,
        "the old handle deleted nothing"
    );
    let refused = change_visibility(&queues.source, &old, Duration::ZERO).await;
    assert!(matches!(refused, Err(EntryError::NotInFlight { .. })), "{refused:?}");
    delete(&queues.source, &new).await.unwrap();
    assert_eq!(queues.source.depth().await.unwrap().total(), 0);
    delete(&queues.source, &new).await.unwrap();
    let refused = change_visibility(&queues.source, &new, Duration::ZERO).await;
    assert!(matches!(refused, Err(EntryError::NotInFlight { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_handle_is_one_entrys_failure_alone() {
    let queues = queues();
    send(&queues.source, "a").await;
    let good = receive(&queues.source).await.unwrap().receipt_handle;
    let bad = ReceiptHandle::new(String::from("nonsense"));
    let outcome = queues.source.delete_batch(vec![bad, good]).await.unwrap();
    let handle = String::from("nonsense");
    assert_eq!(outcome.entries, [Err(EntryError::BadReceiptHandle { handle }), Ok(())]);
    assert_eq!(queues.source.depth().await.unwrap().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_waits_and_the_depth_tells_the_three_states_apart() {
    let queues = queues();
    let mut delayed = entry("late");
    delayed.delay = Duration::from_secs(10);
    send_entry(&queues.source, delayed).await.unwrap();
    send(&queues.source, "a").await;
    send(&queues.source, "b").await;
    assert_eq!(receive(&queues.source).await.unwrap().body, "a");
    let depth = Depth {
        visible: 1,
        in_flight: 1,
        delayed: 1,
        deferred: 0,
    };
    assert_eq!(queues.source.depth().await.unwrap(), depth);

    assert_eq!(receive(&queues.source).await.unwrap().body, "b");
    assert_eq!(receive(&queues.source).await, None, "not before its delay is over");
    advance(Duration::from_secs(10)).await;
    assert_eq!(receive(&queues.source).await.unwrap().body, "late");
}
