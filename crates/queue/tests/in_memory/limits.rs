//! What SQS refuses, the queue in memory refuses too, and a queue holds no more than it may.

use std::time::Duration;

use session_queue::{BATCH_SIZE_MAX_BYTES, DELAY_MAX, EntryError, Queue, QueueError, SendEntry, TRACE_HEADER};

use crate::queues::{CAPACITY, delete, entry, queues, receive, send, send_entry};

fn with_attributes(names: impl IntoIterator<Item = String>) -> SendEntry {
    SendEntry {
        attributes: names.into_iter().map(|name| (name, String::from("x"))).collect(),
        ..entry("a")
    }
}

fn with_body(body: String) -> SendEntry {
    SendEntry {
        body,
        ..with_attributes([])
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_1_to_10_entries() {
    let queues = queues();
    for length in [0, 11] {
        let entries = vec![entry("a"); length];
        let refused = queues.source.send_batch(entries).await;
        assert!(matches!(refused, Err(QueueError::BatchLength { entries }) if entries == length));
    }
    let outcome = queues.source.send_batch(vec![entry("a"); 10]).await.unwrap();
    assert!(outcome.entries.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_1_mebibyte_with_its_attributes() {
    let queues = queues();
    let half = BATCH_SIZE_MAX_BYTES / 2;
    // The entry's attribute has 4 + 6 + 1 bytes: its name, its type `String`, its value.
    let body = |bytes: usize| SendEntry {
        body: "x".repeat(bytes - 11),
        ..entry("")
    };
    let accepted = queues.source.send_batch(vec![body(half), body(half)]).await.unwrap();
    assert!(accepted.entries.iter().all(Result::is_ok));
    let refused = queues.source.send_batch(vec![body(half), body(half + 1)]).await;
    let Err(QueueError::BatchTooLarge { bytes }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(bytes, BATCH_SIZE_MAX_BYTES + 1);

    assert!(send_entry(&queues.source, body(BATCH_SIZE_MAX_BYTES)).await.is_ok());
    let refused = send_entry(&queues.source, body(BATCH_SIZE_MAX_BYTES + 1)).await;
    let bytes = BATCH_SIZE_MAX_BYTES + 1;
    assert_eq!(refused.unwrap_err(), EntryError::TooLarge { bytes });
}

#[tokio::test(start_paused = true)]
async fn one_bad_entry_does_not_harm_the_others() {
    let queues = queues();
    let entries = vec![entry("a"), with_body(String::new()), entry("b")];
    let outcome = queues.source.send_batch(entries).await.unwrap().entries;
    assert!(outcome[0].is_ok() && outcome[2].is_ok());
    assert_eq!(outcome[1].as_ref().unwrap_err(), &EntryError::EmptyBody);
    assert_eq!(queues.source.depth().await.unwrap().visible, 2);
}

#[test]
fn only_the_characters_of_xml_are_taken() {
    for character in ['\0', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
        let refused = with_body(format!("a{character}")).check();
        assert_eq!(refused, Err(EntryError::BadCharacter { character }));
    }
    let allowed = "\t\n\r ~\u{7f}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}";
    assert_eq!(with_body(allowed.to_owned()).check(), Ok(()));
}

#[test]
fn ten_attributes_are_taken_beside_a_trace_header() {
    let names = |count: usize| (0..count).map(|number| format!("name-{number}"));
    let trace = || std::iter::once(TRACE_HEADER.to_owned());
    assert_eq!(with_attributes(names(10).chain(trace())).check(), Ok(()));
    let refused = with_attributes(names(11)).check();
    assert_eq!(refused, Err(EntryError::TooManyAttributes { attributes: 11 }));
}

#[test]
fn attributes_have_names_that_sqs_takes_and_are_not_empty() {
    let long = "x".repeat(257);
    for name in ["", " ", "a b", "é", ".a", "a.", "a..b", "AWS.a", "amazon.a", &long] {
        let refused = with_attributes([name.to_owned()]).check();
        let name = name.to_owned();
        assert_eq!(refused, Err(EntryError::BadAttributeName { name }));
    }
    for name in ["a", "a.b-c_9", "awsome", &long[1..]] {
        assert_eq!(with_attributes([name.to_owned()]).check(), Ok(()));
    }
    let mut empty = entry("a");
    empty.attributes.insert(String::from("slot"), String::new());
    let name = String::from("slot");
    assert_eq!(empty.check(), Err(EntryError::EmptyAttribute { name }));
    let mut control = entry("a");
    control.attributes.insert(String::from("slot"), String::from("7\0"));
    assert_eq!(control.check(), Err(EntryError::BadCharacter { character: '\0' }));
}

#[test]
fn a_delay_is_15_minutes_at_most() {
    let delayed = |delay| SendEntry { delay, ..entry("a") }.check();
    assert_eq!(delayed(DELAY_MAX), Ok(()));
    let delay = DELAY_MAX + Duration::from_millis(1);
    assert_eq!(delayed(delay), Err(EntryError::DelayTooLong { delay }));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_until_there_is_room() {
    let queues = queues();
    for _ in 0..CAPACITY {
        send(&queues.source, "a").await;
    }
    let refused = send_entry(&queues.source, entry("b")).await.unwrap_err();
    assert_eq!(refused, EntryError::Full { capacity: CAPACITY });
    assert!(refused.is_retryable());
    let handle = receive(&queues.source).await.unwrap().receipt_handle;
    assert!(
        send_entry(&queues.source, entry("b")).await.is_err(),
        "one in flight takes room"
    );
    delete(&queues.source, &handle).await.unwrap();
    assert!(send_entry(&queues.source, entry("b")).await.is_ok());
}
