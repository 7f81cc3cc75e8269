//! A sender may forget a message only when nothing can lose it any more (`docs/invariants.md`, 1).

use futures::{FutureExt, future::BoxFuture};
use session_queue::{Accepted, Queue, Settled};

use crate::queues::{delete, entry, exhaust, queues, queues_of, receive, send, send_entry};

fn settled(accepted: Accepted) -> BoxFuture<'static, bool> {
    accepted.settled.wait().boxed()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_settled_once_it_is_deleted() {
    let queues = queues();
    let mut settled = settled(send(&queues.source, "a").await);
    let handle = receive(&queues.source).await.unwrap().receipt_handle;
    assert_eq!((&mut settled).now_or_never(), None, "in flight is not done");
    delete(&queues.source, &handle).await.unwrap();
    assert!(settled.await);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_settled_once_it_is_a_dead_letter() {
    let queues = queues();
    let mut settled = settled(send(&queues.source, "a").await);
    exhaust(&queues.source).await;
    assert_eq!((&mut settled).now_or_never(), None, "not before it has moved");
    assert_eq!(receive(&queues.source).await, None);
    assert!(settled.await);
    assert_eq!(queues.dead_letters.depth().await.unwrap().total(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_move_is_not_settled() {
    let queues = queues_of(0);
    let mut settled = settled(send(&queues.source, "a").await);
    exhaust(&queues.source).await;
    let again = receive(&queues.source).await.unwrap();
    assert_eq!((&mut settled).now_or_never(), None);
    delete(&queues.source, &again.receipt_handle).await.unwrap();
    assert!(settled.await, "it was only delivered again");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_goes_with_its_queue_is_not_settled() {
    let queues = queues();
    let settled = settled(send(&queues.source, "a").await);
    drop(queues);
    assert!(!settled.await, "the sender has to send it again");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_settled_when_it_is_accepted() {
    let queues = queues();
    let accepted = send_entry(&queues.dead_letters, entry("a")).await.unwrap();
    assert!(matches!(accepted.settled, Settled::Now));
    assert_eq!(queues.dead_letters.depth().await.unwrap().total(), 1);
}
