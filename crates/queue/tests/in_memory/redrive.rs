//! A message that was received too often moves to the dead-letter queue, and an operator can move it back.

use std::{sync::Arc, time::Duration};

use session_queue::{DeadLetter, Queue, Redriven, redrive};
use tokio::time::advance;

use crate::queues::{MAX_RECEIVE_COUNT, delete, entry, exhaust, queues, queues_of, receive, request, send, send_entry};

#[tokio::test(start_paused = true)]
async fn a_message_moves_at_the_receive_that_would_be_one_too_many_and_not_before() {
    let queues = queues();
    let sent = send(&queues.source, "a").await;
    exhaust(&queues.source).await;
    advance(Duration::from_hours(1)).await;
    assert_eq!(
        queues.source.depth().await.unwrap().visible,
        1,
        "its last receive has expired, nothing more"
    );
    assert_eq!(queues.dead_letters.depth().await.unwrap().total(), 0);

    assert_eq!(receive(&queues.source).await, None);
    assert_eq!(queues.source.depth().await.unwrap().total(), 0);
    let letter = receive(&queues.dead_letters).await.unwrap();
    assert_eq!((&letter.message_id, letter.body.as_str()), (&sent.message_id, "a"));
    assert_eq!(
        letter.receive_count,
        MAX_RECEIVE_COUNT + 1,
        "its receives are counted on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_receive_moves_one_message_and_delivers_another() {
    let queues = queues();
    send(&queues.source, "bad").await;
    exhaust(&queues.source).await;
    send(&queues.source, "good").await;
    let received = queues.source.receive(request(10, Duration::ZERO)).await.unwrap();
    assert_eq!(
        received.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(),
        ["good"]
    );
    assert_eq!(queues.dead_letters.depth().await.unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_room_among_the_dead_letters_is_delivered_again() {
    let queues = queues_of(0);
    send(&queues.source, "a").await;
    exhaust(&queues.source).await;
    assert_eq!(
        receive(&queues.source).await.unwrap().receive_count,
        MAX_RECEIVE_COUNT + 1
    );
}

#[tokio::test(start_paused = true)]
async fn a_redriven_message_starts_anew_without_its_reason() {
    let queues = queues();
    let now = session_clock::now();
    let letter = DeadLetter {
        reason: String::from("bad_body"),
        sentence: String::from("it is no message"),
        attempts: 1,
        last_signature: None,
        first_at: now,
        last_at: now,
    };
    for number in 0..3 {
        let mut dead = entry(&format!("letter {number}"));
        dead.attributes.extend(letter.attributes());
        send_entry(&queues.dead_letters, dead).await.unwrap();
    }
    let (dead_letters, source) = (Arc::clone(&queues.dead_letters), Arc::clone(&queues.source));
    let redriven = redrive(dead_letters.as_ref(), source.as_ref(), 2).await.unwrap();
    assert_eq!(
        redriven,
        Redriven {
            moved: 2,
            refused: Vec::new()
        }
    );
    assert_eq!(queues.dead_letters.depth().await.unwrap().total(), 1);
    let again = receive(&queues.source).await.unwrap();
    assert_eq!((again.body.as_str(), again.receive_count), ("letter 0", 1));
    assert_eq!(again.attributes, entry("").attributes);
}

#[tokio::test(start_paused = true)]
async fn a_letter_stays_until_its_copy_is_done_with_and_poison_comes_back_once() {
    let queues = queues();
    for name in ["good", "poison"] {
        send_entry(&queues.dead_letters, entry(name)).await.unwrap();
    }
    let redriven = queues.source.redrive(queues.dead_letters.as_ref(), 10).await.unwrap();
    assert_eq!(redriven.moved, 2);
    assert_eq!(
        queues.dead_letters.depth().await.unwrap().total(),
        0,
        "both are under way"
    );
    let good = receive(&queues.source).await.unwrap();
    delete(&queues.source, &good.receipt_handle).await.unwrap();
    exhaust(&queues.source).await;
    assert_eq!(receive(&queues.source).await, None);
    let letter = receive(&queues.dead_letters).await.unwrap();
    assert_eq!(letter.body, "poison");
    assert_eq!(
        receive(&queues.dead_letters).await,
        None,
        "its first letter went when the second was kept"
    );
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_finds_no_room_is_said_and_stays() {
    let queues = queues();
    for number in 0..12 {
        send(&queues.source, &format!("message {number}")).await;
    }
    send_entry(&queues.dead_letters, entry("letter")).await.unwrap();
    let redriven = redrive(queues.dead_letters.as_ref(), queues.source.as_ref(), 5)
        .await
        .unwrap();
    assert_eq!((redriven.moved, redriven.refused.len()), (0, 1));
    assert_eq!(queues.dead_letters.depth().await.unwrap().visible, 1);
}
