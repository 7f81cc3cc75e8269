//! What a queue does, by AWS's documentation ("Amazon SQS API Reference" and "Developer Guide").

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use session_queue::{
    BATCH_SIZE_MAX_BYTES, DeferEntry, Depth, EntryError, MESSAGE_GROUP_ID, QueueError, ReceiptHandle, Redriven,
    SendEntry, TRACE_HEADER, redrive,
};
use session_tests::wait;
use tokio::time::Instant;

use super::subject::{LONG, MAX_RECEIVE_COUNT, Refusal, Subject, VISIBILITY_TIMEOUT, entry, receive};

/// A case, which panics where the queue does not do what SQS documents.
pub(crate) type Case = fn(Subject) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// Every case, with its name.
        pub(crate) const ALL: &[(&str, Case)] = &[$((stringify!($name), |subject| Box::pin($name(subject)))),+];
    };
}

cases![
    a_batch_is_received_as_it_was_sent,
    a_trace_header_arrives,
    a_bad_entry_is_answered_alone,
    a_batch_over_the_limits_is_refused,
    a_mebibyte_arrives,
    a_receive_gives_no_more_than_asked_for,
    a_hidden_message_comes_back_counted_and_by_another_handle,
    a_message_made_visible_is_received_at_once,
    a_visibility_timeout_over_12_hours_is_refused_for_good,
    an_expired_handle_changes_nothing,
    an_expired_handle_still_deletes,
    an_old_handle_deletes_nothing,
    a_message_can_be_deleted_twice,
    a_bad_handle_is_answered_alone,
    a_poll_ends_with_a_send,
    a_poll_without_messages_ends_in_time,
    a_delayed_message_comes_when_its_delay_is_over,
    the_depth_tells_the_states_apart,
    an_exhausted_message_moves_at_the_next_receive,
    a_dead_letter_can_be_redriven,
    a_deferred_message_comes_at_its_moment_and_keeps_its_group,
];

async fn a_batch_is_received_as_it_was_sent(subject: Subject) {
    let entries: Vec<SendEntry> = (0..10)
        .map(|number| entry(&format!("body {number} é \u{1f980}")))
        .collect();
    let sent = subject.queue.send_batch(entries.clone()).await.unwrap().entries;
    let ids: Vec<_> = sent.into_iter().map(|accepted| accepted.unwrap().message_id).collect();
    let mut received = BTreeMap::new();
    let started = Instant::now();
    while received.len() < 10 && started.elapsed() < LONG {
        for message in receive(subject.queue.as_ref(), 10, Duration::from_secs(1)).await {
            subject.delete(&message.receipt_handle).await.unwrap();
            received.insert(message.message_id.clone(), message);
        }
    }
    for (id, entry) in ids.iter().zip(&entries) {
        let message = &received[id];
        assert_eq!((&message.body, &message.attributes), (&entry.body, &entry.attributes));
        assert_eq!(message.receive_count, 1);
        assert!(session_clock::now().duration_since(message.sent_at).unwrap_or_default() < LONG);
        assert!(message.first_received_at >= message.sent_at);
    }
}

async fn a_trace_header_arrives(subject: Subject) {
    let mut traced = entry("a");
    let trace = String::from("Root=1-5759e988-bd862e3fe1be46a994272793");
    traced.attributes.insert(TRACE_HEADER.to_owned(), trace);
    subject.send_entry(traced.clone()).await.unwrap();
    assert_eq!(subject.receive_next().await.attributes, traced.attributes);
}

async fn a_bad_entry_is_answered_alone(subject: Subject) {
    let mut eleven = entry("too many attributes");
    eleven.attributes = (0..11)
        .map(|number| (format!("name-{number}"), String::from("x")))
        .collect();
    let entries = vec![entry("a"), entry(""), entry("b\u{1}"), eleven, entry("c")];
    let answers = subject.queue.send_batch(entries).await.unwrap().entries;
    let errors: Vec<_> = answers.into_iter().map(Result::err).collect();
    let expected = [
        None,
        Some(EntryError::EmptyBody),
        Some(EntryError::BadCharacter { character: '\u{1}' }),
        Some(EntryError::TooManyAttributes { attributes: 11 }),
        None,
    ];
    assert_eq!(errors, expected);
    assert_eq!(subject.queue.depth().await.unwrap().visible, 2);
}

async fn a_batch_over_the_limits_is_refused(subject: Subject) {
    for length in [0, 11] {
        let refused = subject.queue.send_batch(vec![entry("a"); length]).await;
        assert!(matches!(refused, Err(QueueError::BatchLength { .. })), "{refused:?}");
    }
    let half = entry(&"x".repeat(BATCH_SIZE_MAX_BYTES / 2));
    let refused = subject.queue.send_batch(vec![half.clone(), half]).await;
    assert!(matches!(refused, Err(QueueError::BatchTooLarge { .. })), "{refused:?}");
    let none = subject.queue.delete_batch(Vec::new()).await;
    assert!(matches!(none, Err(QueueError::BatchLength { entries: 0 })), "{none:?}");
    assert_eq!(subject.queue.depth().await.unwrap().total(), 0);
}

async fn a_mebibyte_arrives(subject: Subject) {
    let mut large = entry("");
    large.body = "x".repeat(BATCH_SIZE_MAX_BYTES - large.size_bytes());
    subject.send_entry(large.clone()).await.unwrap();
    assert!(subject.receive_next().await.body == large.body);
}

async fn a_receive_gives_no_more_than_asked_for(subject: Subject) {
    subject.queue.send_batch(vec![entry("a"); 5]).await.unwrap();
    let received = receive(subject.queue.as_ref(), 3, LONG).await.len();
    assert!((1..=3).contains(&received), "{received}");
}

async fn a_hidden_message_comes_back_counted_and_by_another_handle(subject: Subject) {
    subject.send("a").await;
    let first = subject.receive_next().await;
    let received = Instant::now();
    assert_eq!(subject.receive_now().await, None);
    let second = subject.receive_next().await;
    assert!(
        received.elapsed() > VISIBILITY_TIMEOUT / 2,
        "after {:?}",
        received.elapsed()
    );
    assert_eq!((first.receive_count, second.receive_count), (1, 2));
    assert_eq!(second.message_id, first.message_id);
    assert_eq!(second.first_received_at, first.first_received_at);
    assert_ne!(second.receipt_handle, first.receipt_handle);
}

async fn a_message_made_visible_is_received_at_once(subject: Subject) {
    subject.send("a").await;
    let handle = subject.receive_next().await.receipt_handle;
    subject
        .change_visibility(&handle, Duration::from_mins(1))
        .await
        .unwrap();
    // The first timeout has to pass, and nothing shows when it has.
    tokio::time::sleep(VISIBILITY_TIMEOUT + Duration::from_millis(100)).await;
    assert_eq!(
        subject.receive_now().await,
        None,
        "the change took the place of the queue's timeout"
    );
    subject.change_visibility(&handle, Duration::ZERO).await.unwrap();
    assert_eq!(subject.receive_next().await.receive_count, 2);
}

async fn a_visibility_timeout_over_12_hours_is_refused_for_good(subject: Subject) {
    subject.send("a").await;
    let handle = subject.receive_next().await.receipt_handle;
    let over = Duration::from_hours(12) + Duration::from_secs(1);
    let refused = subject.change_visibility(&handle, over).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused:?}");
}

async fn expired(subject: &Subject) -> ReceiptHandle {
    subject.send("a").await;
    let handle = subject.receive_next().await.receipt_handle;
    wait::until_true("the end of the visibility timeout", LONG, || async {
        subject.queue.depth().await.unwrap().visible == 1
    })
    .await;
    handle
}

async fn an_expired_handle_changes_nothing(subject: Subject) {
    let handle = expired(&subject).await;
    let refused = subject.change_visibility(&handle, Duration::from_mins(1)).await;
    assert!(
        matches!(refused, Err(Refusal::Entry(EntryError::NotInFlight { .. }))),
        "{refused:?}"
    );
}

async fn an_expired_handle_still_deletes(subject: Subject) {
    let handle = expired(&subject).await;
    subject.delete(&handle).await.unwrap();
    assert_eq!(subject.queue.depth().await.unwrap().total(), 0);
}

async fn an_old_handle_deletes_nothing(subject: Subject) {
    let old = expired(&subject).await;
    let new = subject.receive_next().await.receipt_handle;
    subject.delete(&old).await.unwrap();
    assert_eq!(subject.queue.depth().await.unwrap().total(), 1);
    subject.delete(&new).await.unwrap();
    assert_eq!(subject.queue.depth().await.unwrap().total(), 0);
}

async fn a_message_can_be_deleted_twice(subject: Subject) {
    subject.send("a").await;
    let handle = subject.receive_next().await.receipt_handle;
    subject.delete(&handle).await.unwrap();
    subject.delete(&handle).await.unwrap();
}

async fn a_bad_handle_is_answered_alone(subject: Subject) {
    subject.send("a").await;
    let good = subject.receive_next().await.receipt_handle;
    let bad = ReceiptHandle::new(String::from("nonsense"));
    let answers = subject.queue.delete_batch(vec![bad, good]).await.unwrap().entries;
    let handle = String::from("nonsense");
    assert_eq!(answers, [Err(EntryError::BadReceiptHandle { handle }), Ok(())]);
    assert_eq!(subject.queue.depth().await.unwrap().total(), 0);
}

async fn a_poll_ends_with_a_send(subject: Subject) {
    let queue = Arc::clone(&subject.queue);
    let poll = tokio::spawn(async move { receive(queue.as_ref(), 1, LONG).await });
    let started = Instant::now();
    // The poll has begun by then, most likely; if not, the message is there before it, which is true as well.
    tokio::time::sleep(Duration::from_millis(300)).await;
    subject.send("a").await;
    assert_eq!(poll.await.unwrap().len(), 1);
    assert!(started.elapsed() < LONG / 2, "after {:?}", started.elapsed());
}

async fn a_poll_without_messages_ends_in_time(subject: Subject) {
    let started = Instant::now();
    let received = receive(subject.queue.as_ref(), 10, Duration::from_secs(1)).await;
    assert!(received.is_empty());
    let elapsed = started.elapsed().as_secs_f64();
    assert!((0.9..3.0).contains(&elapsed), "after {elapsed} s");
}

async fn a_delayed_message_comes_when_its_delay_is_over(subject: Subject) {
    let mut delayed = entry("late");
    delayed.delay = Duration::from_secs(1);
    let sent = Instant::now();
    subject.send_entry(delayed).await.unwrap();
    assert_eq!(subject.receive_now().await, None);
    assert_eq!(subject.receive_next().await.body, "late");
    assert!(
        sent.elapsed() > Duration::from_millis(500),
        "after {:?}",
        sent.elapsed()
    );
}

async fn the_depth_tells_the_states_apart(subject: Subject) {
    let mut delayed = entry("late");
    delayed.delay = Duration::from_mins(1);
    subject.send_entry(delayed).await.unwrap();
    subject.send("a").await;
    subject.send("b").await;
    let received = subject.receive_next().await;
    subject
        .change_visibility(&received.receipt_handle, Duration::from_mins(1))
        .await
        .unwrap();
    let (visible, in_flight, delayed, deferred) = (1, 1, 1, 0);
    let depth = Depth {
        visible,
        in_flight,
        delayed,
        deferred,
    };
    assert_eq!(subject.queue.depth().await.unwrap(), depth);
}

async fn an_exhausted_message_moves_at_the_next_receive(subject: Subject) {
    let sent = subject.send("a").await;
    for attempt in 1..=MAX_RECEIVE_COUNT {
        assert_eq!(subject.receive_next().await.receive_count, attempt);
    }
    wait::until_true("the end of the last visibility timeout", LONG, || async {
        subject.queue.depth().await.unwrap().visible == 1
    })
    .await;
    assert_eq!(
        subject.dead_letters.depth().await.unwrap().total(),
        0,
        "it does not move by itself"
    );
    assert_eq!(subject.receive_now().await, None);
    assert_eq!(subject.queue.depth().await.unwrap().total(), 0);
    let letter = receive(subject.dead_letters.as_ref(), 1, LONG).await.remove(0);
    assert_eq!(letter.message_id, sent.message_id);
    assert_eq!(
        (letter.body, letter.attributes),
        (String::from("a"), entry("").attributes)
    );
    assert_eq!(letter.receive_count, MAX_RECEIVE_COUNT + 1);
}

async fn a_dead_letter_can_be_redriven(subject: Subject) {
    let entries = vec![entry("a"), entry("b")];
    subject.dead_letters.send_batch(entries).await.unwrap();
    let redriven = redrive(subject.dead_letters.as_ref(), subject.queue.as_ref(), 10)
        .await
        .unwrap();
    assert_eq!(
        redriven,
        Redriven {
            moved: 2,
            refused: Vec::new()
        }
    );
    assert_eq!(subject.dead_letters.depth().await.unwrap().total(), 0);
    let bodies: BTreeSet<String> = [subject.receive_next().await, subject.receive_next().await]
        .map(|message| message.body)
        .into();
    assert_eq!(bodies, [String::from("a"), String::from("b")].into());
}

async fn a_deferred_message_comes_at_its_moment_and_keeps_its_group(subject: Subject) {
    let mut attributes = entry("").attributes;
    attributes.insert(MESSAGE_GROUP_ID.to_owned(), String::from("a requester"));
    let deferral = DeferEntry {
        body: String::from("later"),
        attributes: attributes.clone(),
        delay: Duration::from_millis(900),
    };
    let deferred = Instant::now();
    let outcome = subject.queue.defer_batch(vec![deferral]).await.unwrap();
    assert_eq!(outcome.entries, [Ok(())]);
    assert_eq!(subject.receive_now().await, None);
    let message = subject.receive_next().await;
    assert_eq!((message.body.as_str(), message.attributes), ("later", attributes));
    assert!(
        deferred.elapsed() > Duration::from_millis(500),
        "after {:?}",
        deferred.elapsed()
    );
}
