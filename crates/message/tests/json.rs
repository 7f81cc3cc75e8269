//! The message's JSON: exactly what is written, and for each thing that can be wrong, what is said about it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

use serde_json::{Value, json};
use session_events::PdaComputedEvent;
use session_message::{Message, MessageError, Origin, Source};
use solana_pubkey::Pubkey;
use time::macros::datetime;

fn message() -> Message {
    Message::new(
        PdaComputedEvent {
            expected_pda: Pubkey::new_from_array([1; 32]),
            expected_size: 512,
            expected_owner: Pubkey::new_from_array([2; 32]),
            session_id: "checkout \"7\"".to_owned(),
            owner: Pubkey::new_from_array([3; 32]),
            eval_program: Pubkey::new_from_array([4; 32]),
            shard_address: Pubkey::new_from_array([5; 32]),
            namespaces: vec!["a".to_owned(), "b".to_owned()],
            compute_slot: u64::MAX,
        },
        Source {
            signature: Some("5sig".to_owned()),
            slot: 77,
            event_index: 2,
            program_id: Pubkey::new_from_array([6; 32]),
            observed_at: datetime!(2026-01-31 08:15:00.042 UTC),
            origin: Origin::Fill,
            requester: Some(Pubkey::new_from_array([7; 32])),
        },
    )
}

fn as_value(message: &Message) -> Value {
    serde_json::from_str(&message.to_json().unwrap()).unwrap()
}

/// The error for the message after `change`.
fn error_after(change: impl FnOnce(&mut Value)) -> MessageError {
    let mut value = as_value(&message());
    change(&mut value);
    Message::from_json(&value.to_string()).unwrap_err()
}

#[test]
fn the_json_is_the_documented_one() {
    let address = |byte| Pubkey::new_from_array([byte; 32]).to_string();
    assert_eq!(
        as_value(&message()),
        json!({
            "version": 1,
            "event": {
                "expected_pda": address(1), "expected_size": 512, "expected_owner": address(2),
                "session_id": "checkout \"7\"", "owner": address(3), "eval_program": address(4),
                "shard_address": address(5), "namespaces": ["a", "b"], "compute_slot": u64::MAX,
            },
            "source": {
                "signature": "5sig", "slot": 77, "event_index": 2, "program_id": address(6),
                "observed_at": "2026-01-31T08:15:00.042Z", "origin": "fill", "requester": address(7),
            },
        })
    );
    assert!(
        message()
            .to_json()
            .unwrap()
            .starts_with(r#"{"version":1,"event":{"expected_pda":"#)
    );
}

#[test]
fn what_was_written_is_read_for_each_origin_and_without_a_signature() {
    for origin in Origin::ALL {
        let mut message = message();
        message.source.origin = origin;
        message.source.signature = None;
        assert_eq!(Message::from_json(&message.to_json().unwrap()), Ok(message));
    }
}

#[test]
fn without_a_requester_the_claimed_owner_answers_and_the_json_says_nothing_of_one() {
    let mut message = message();
    assert_eq!(message.answerable(), Pubkey::new_from_array([7; 32]));
    message.source.requester = None;
    assert_eq!(message.answerable(), message.event.owner);
    let mut value = as_value(&message);
    assert_eq!(value["source"].get("requester"), None);
    assert_eq!(Message::from_json(&value.to_string()), Ok(message.clone()));
    value["source"]["requester"] = Value::Null;
    assert_eq!(Message::from_json(&value.to_string()), Ok(message));
}

#[test]
fn times_of_other_zones_are_read_as_utc_and_written_to_the_millisecond() {
    let mut message = message();
    message.source.observed_at = datetime!(2026-01-31 10:15:00.042_987 +2);
    assert_eq!(as_value(&message)["source"]["observed_at"], "2026-01-31T08:15:00.042Z");

    let mut value = as_value(&message);
    value["source"]["observed_at"] = json!("2026-01-31T10:15:00.042+02:00");
    let read = Message::from_json(&value.to_string()).unwrap();
    assert_eq!(read.source.observed_at, datetime!(2026-01-31 08:15:00.042 UTC));
    assert!(read.source.observed_at.offset().is_utc());
}

#[test]
fn attributes_name_type_address_and_slot() {
    let attributes: Vec<_> = message().attributes().into_iter().collect();
    let expected = [
        ("event_type", "PDAComputedEvent".to_owned()),
        ("pda", Pubkey::new_from_array([1; 32]).to_string()),
        ("slot", "77".to_owned()),
    ];
    assert_eq!(attributes, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn another_version_is_refused_before_anything_else_is_looked_at() {
    assert_eq!(
        Message::from_json(r#"{"version":2}"#),
        Err(MessageError::UnknownVersion { found: 2 })
    );
    assert_eq!(
        Message::from_json(r#"{"event":{}}"#),
        Err(MessageError::Missing {
            field: "version".to_owned()
        })
    );
}

#[test]
fn every_field_that_is_missing_is_named() {
    let whole = as_value(&message());
    for section in ["event", "source"] {
        for name in whole[section].as_object().unwrap().keys() {
            if name == "signature" || name == "requester" {
                continue;
            }
            let error = error_after(|value| {
                value[section].as_object_mut().unwrap().remove(name);
            });
            assert_eq!(
                error,
                MessageError::Missing {
                    field: format!("{section}.{name}")
                }
            );
        }
    }
}

#[test]
fn every_field_of_a_wrong_type_is_named_with_its_value() {
    let whole = as_value(&message());
    for section in ["event", "source"] {
        for name in whole[section].as_object().unwrap().keys() {
            let text = error_after(|value| value[section][name] = json!({"x": 1})).to_string();
            assert!(
                text.starts_with(&format!("{section}.{name} is {{\"x\":1}}, expected ")),
                "{text}"
            );
        }
    }
}

#[test]
fn values_that_their_types_cannot_hold_are_refused() {
    let cases = [
        ("event", "expected_size", json!(-1)),
        ("event", "expected_size", json!(1.5)),
        ("event", "owner", json!("not base58: 0OIl")),
        ("event", "namespaces", json!(["a", 7])),
        ("source", "event_index", json!(u64::from(u32::MAX) + 1)),
        ("source", "observed_at", json!("yesterday")),
        ("source", "origin", json!("rumour")),
        ("source", "requester", json!("nobody")),
    ];
    for (section, name, wrong) in cases {
        let error = error_after(|value| value[section][name] = wrong.clone());
        let MessageError::Invalid { field, value, .. } = error else {
            panic!("{section}.{name} = {wrong}: {error}");
        };
        assert_eq!((field, value), (format!("{section}.{name}"), wrong.to_string()));
    }
}

#[test]
fn bodies_that_are_no_message_are_refused_and_long_values_are_shortened() {
    assert!(matches!(
        Message::from_json("{\"version\":1,"),
        Err(MessageError::NotJson { .. })
    ));
    assert!(matches!(Message::from_json("[]"), Err(MessageError::Invalid { .. })));

    let text = error_after(|value| value["event"] = json!("ü".repeat(100_000))).to_string();
    assert!(text.chars().count() < 200, "{} characters", text.chars().count());
}
