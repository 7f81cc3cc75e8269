//! Groups are received in turn, as in a fair queue.

use std::{collections::BTreeMap, time::Duration};

use session_queue::{InMemoryConfig, InMemoryQueue, MESSAGE_GROUP_ID, Queue, ReceivedMessage, SendEntry};

use crate::queues::request;

const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(3);

fn queue() -> InMemoryQueue {
    let config = |name: &str| InMemoryConfig {
        name: name.to_owned(),
        visibility_timeout: VISIBILITY_TIMEOUT,
        capacity: 10_000,
    };
    InMemoryQueue::volatile(config("source"), config("dead-letters"), 5).0
}

async fn send(queue: &InMemoryQueue, group: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let entry = SendEntry {
            body: number.to_string(),
            attributes: BTreeMap::from([(MESSAGE_GROUP_ID.to_owned(), group.to_owned())]),
            delay: Duration::ZERO,
        };
        assert!(queue.send_batch(vec![entry]).await.unwrap().entries[0].is_ok());
    }
}

async fn receive(queue: &InMemoryQueue) -> Vec<ReceivedMessage> {
    queue.receive(request(10, Duration::ZERO)).await.unwrap()
}

fn bodies(received: &[ReceivedMessage], group: &str) -> Vec<u32> {
    let of_group = received
        .iter()
        .filter(|message| message.attributes[MESSAGE_GROUP_ID] == group);
    of_group.map(|message| message.body.parse().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_of_one_do_not_delay_ten_of_another() {
    let queue = queue();
    send(&queue, "noisy", 0..1_000).await;
    let first = receive(&queue).await;
    assert_eq!(
        bodies(&first, "noisy"),
        (0..10).collect::<Vec<_>>(),
        "alone it has every turn"
    );
    send(&queue, "quiet", 0..10).await;
    let mut received = receive(&queue).await;
    received.extend(receive(&queue).await);
    assert_eq!(bodies(&received, "quiet"), (0..10).collect::<Vec<_>>());
    assert_eq!(
        bodies(&received, "noisy"),
        (10..20).collect::<Vec<_>>(),
        "each in its own order"
    );
}

#[tokio::test(start_paused = true)]
async fn newcomers_do_not_keep_the_turn_from_those_before_them() {
    let queue = queue();
    send(&queue, "patient", 0..2).await;
    // Every round brings ten groups that nobody has seen before.
    let mut rounds = 0;
    let mut of_patient = 0;
    while of_patient < 2 {
        for number in 0..10 {
            send(&queue, &format!("newcomer-{rounds}-{number}"), 0..1).await;
        }
        of_patient += bodies(&receive(&queue).await, "patient").len();
        rounds += 1;
        assert!(rounds <= 3, "{of_patient} of 2 after {rounds} rounds");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_received_once_and_comes_back_in_turn_as_well() {
    let queue = queue();
    for group in ["one", "two", "three"] {
        send(&queue, group, 0..50).await;
    }
    for round in 1..=2 {
        let mut received = Vec::new();
        loop {
            let some = receive(&queue).await;
            if some.is_empty() {
                break;
            }
            received.extend(some);
        }
        assert_eq!(received.len(), 150);
        assert!(received.iter().all(|message| message.receive_count == round));
        for three in received.chunks(3) {
            assert!(
                ["one", "two", "three"]
                    .iter()
                    .all(|group| bodies(three, group).len() == 1),
                "{three:?}"
            );
        }
        tokio::time::advance(VISIBILITY_TIMEOUT).await;
    }
}
