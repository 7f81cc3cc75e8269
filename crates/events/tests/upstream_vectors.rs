//! Bytes that Anchor made from the program's own structs: every one is read field by field and written back as it was.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

use base64_simd::STANDARD;
use serde_json::{Map, Value, json};
use session_events::{
    Decoder, Discriminator, Event, EventKind, SessionEntry, SessionFactoryState, SessionQueuedEvent,
    factory::{self, Arguments, OptimisticRequest, SESSION_FACTORY_ID, SessionRequest, StatusUpdate},
    idl::Idl,
};

const VECTORS: &str = include_str!("vectors/upstream.json");

fn vectors(section: &str) -> Vec<Map<String, Value>> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    serde_json::from_value(vectors[section].clone()).unwrap()
}

fn bytes(base64: &Value) -> Vec<u8> {
    STANDARD.decode_to_vec(base64.as_str().unwrap()).unwrap()
}

/// The event in a line that the factory prints.
fn printed(decoder: &Decoder, line: &str) -> Event {
    let mut decoded = decoder.decode(&[
        format!("Program {SESSION_FACTORY_ID} invoke [1]"),
        line.to_owned(),
        format!("Program {SESSION_FACTORY_ID} success"),
    ]);
    assert_eq!(decoded.refusals, [], "{line}");
    assert_eq!(decoded.declared, [], "{line}");
    decoded.events.remove(0).event
}

/// Pairs of metadata are objects here and lists of two in the vectors.
fn with_pairs(mut event: Value) -> Value {
    if let Some(metadata) = event.pointer_mut("/attestation/creation_parameters/metadata") {
        let pairs = metadata.as_array().unwrap().iter();
        *metadata = pairs.map(|pair| json!([pair["key"], pair["value"]])).collect();
    }
    event
}

fn every_event_is_read_and_written_back(decoder: &Decoder) {
    let mut counts = [0; EventKind::ALL.len()];
    for vector in vectors("events") {
        let line = vector["line"].as_str().unwrap();
        let event = printed(decoder, line);
        assert_eq!(event.kind().name(), vector["event"], "{line}");
        counts[EventKind::ALL.iter().position(|kind| *kind == event.kind()).unwrap()] += 1;

        let mut fields = with_pairs(serde_json::to_value(&event).unwrap());
        fields.as_object_mut().unwrap().remove("event_type");
        assert_eq!(fields, vector["fields"], "{line}");
        let base64 = json!(line.strip_prefix("Program data: ").unwrap());
        assert_eq!(event.to_bytes().unwrap(), bytes(&base64), "{line}");
    }
    assert_eq!(counts, [40; 9]);
}

#[test]
fn every_event_is_read_by_the_built_in_types() {
    every_event_is_read_and_written_back(&Decoder::new(&SESSION_FACTORY_ID));
}

#[test]
fn every_event_is_read_with_the_idl_that_anchor_generates_although_a_type_is_missing_in_it() {
    let idl = include_str!("../idl/session_factory.anchor.json");
    assert!(idl.contains("CreationParameters") && !idl.contains("\"name\": \"CreationParameters\",\n      \"type\""));
    let decoder = Decoder::with_idl(&SESSION_FACTORY_ID, &Idl::parse(idl).unwrap()).unwrap();
    assert_eq!(decoder.unreadable_events().count(), 0);
    every_event_is_read_and_written_back(&decoder);
}

#[test]
fn the_program_s_layout_of_queued_sessions_is_told_from_the_schema_s() {
    let decoder = Decoder::new(&SESSION_FACTORY_ID);
    let queued = vectors("events")
        .into_iter()
        .filter(|vector| vector["event"] == "SessionQueuedEvent");
    for vector in queued {
        let Event::SessionQueued(queued) = printed(&decoder, vector["line"].as_str().unwrap()) else {
            panic!("another event")
        };
        assert!(matches!(queued, SessionQueuedEvent::Request(_)));
        assert_eq!(queued.queue_position(), vector["fields"]["queue_position"]);
        assert_eq!(queued.session_id(), vector["fields"]["session_id"]);
    }
}

fn arguments_as_json(vector: &Map<String, Value>) -> (Value, Vec<u8>) {
    let data = bytes(&vector["data"]);
    let name = vector["instruction"].as_str().unwrap();
    assert_eq!(factory::instruction_name(data.first_chunk().unwrap()), Some(name));
    match name {
        "request_session_creation" => {
            let SessionRequest {
                owner,
                eval_program,
                session_id,
                namespaces,
                shard_address,
            } = SessionRequest::from_data(&data).unwrap().unwrap();
            let fields = json!({"owner": owner.to_string(), "eval_program": eval_program.to_string(),
                "session_id": session_id, "namespaces": namespaces, "shard_address": shard_address.to_string()});
            let request = SessionRequest {
                owner,
                eval_program,
                session_id,
                namespaces,
                shard_address,
            };
            (fields, request.to_data().unwrap())
        }
        "create_optimistic_session" => {
            let request = OptimisticRequest::from_data(&data).unwrap().unwrap();
            let fields = json!({"owner": request.owner.to_string(), "session_id": request.session_id});
            (fields, request.to_data().unwrap())
        }
        "update_session_status" => {
            let update = StatusUpdate::from_data(&data).unwrap().unwrap();
            (json!({"new_status": update.new_status}), update.to_data().unwrap())
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_instruction_is_read_and_written_back() {
    let vectors = vectors("instructions");
    assert_eq!(vectors.len(), 60);
    for vector in &vectors {
        let (fields, written) = arguments_as_json(vector);
        assert_eq!(fields, vector["args"]);
        assert_eq!(written, bytes(&vector["data"]));
    }
}

#[test]
fn every_account_is_read_and_written_back() {
    let vectors = vectors("accounts");
    assert_eq!(vectors.len(), 80);
    for vector in &vectors {
        let data = bytes(&vector["data"]);
        let (fields, written) = match vector["account"].as_str().unwrap() {
            "SessionEntry" => {
                let entry = SessionEntry::decode(&data).unwrap();
                (serde_json::to_value(&entry).unwrap(), entry.to_data().unwrap())
            }
            "SessionFactoryState" => {
                let state = SessionFactoryState::decode(&data).unwrap();
                (serde_json::to_value(&state).unwrap(), state.to_data().unwrap())
            }
            other => panic!("{other}"),
        };
        assert_eq!(fields, vector["fields"]);
        assert_eq!(written, data);
    }
}

#[test]
fn the_discriminators_are_the_program_s() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let discriminators: Map<String, Value> = serde_json::from_value(vectors["discriminators"].clone()).unwrap();
    let mut known = 0;
    for (name, discriminator) in discriminators {
        let discriminator: Discriminator = serde_json::from_value(discriminator).unwrap();
        let here = EventKind::from_name(&name).map(EventKind::discriminator);
        let here = here.or(match name.as_str() {
            "SessionEntry" => Some(SessionEntry::DISCRIMINATOR),
            "SessionFactoryState" => Some(SessionFactoryState::DISCRIMINATOR),
            // Of the session program, not of the factory.
            "account:SessionState" => continue,
            _ => None,
        });
        match here {
            Some(here) => assert_eq!(here, discriminator, "{name}"),
            None => assert_eq!(factory::instruction_name(&discriminator), Some(name.as_str())),
        }
        known += 1;
    }
    assert_eq!(known, 9 + 2 + 8);
}

/// Both layouts at random: what one wrote is read as that one.
mod layouts {
    use proptest::{collection::vec, prelude::*};
    use session_events::{QueuedRequest, QueuedSession};
    use solana_pubkey::Pubkey;

    use super::*;

    fn key() -> impl Strategy<Value = Pubkey> {
        any::<[u8; 32]>().prop_map(Pubkey::new_from_array)
    }

    fn requests() -> impl Strategy<Value = QueuedRequest> {
        let texts = ("\\PC{0,40}", "\\PC{0,40}", "\\PC{0,60}", "\\PC{0,60}");
        (texts, any::<[u64; 4]>()).prop_map(|((session_id, request_id, factory_address, creator), numbers)| {
            QueuedRequest {
                session_id,
                queue_position: numbers[0],
                request_id,
                timestamp: numbers[1],
                estimated_processing_time: numbers[2],
                queue_size: numbers[3],
                factory_address,
                creator,
            }
        })
    }

    fn sessions() -> impl Strategy<Value = QueuedSession> {
        let keys = (key(), key(), key(), key(), key());
        (
            keys,
            "\\PC{0,40}",
            vec("\\PC{0,20}", 0..5),
            any::<[i64; 2]>(),
            any::<u64>(),
        )
            .prop_map(
                |(
                    (session_pda, owner, eval_program, shard_address, queued_by),
                    session_id,
                    namespaces,
                    times,
                    queue_position,
                )| {
                    QueuedSession {
                        session_pda,
                        session_id,
                        owner,
                        eval_program,
                        shard_address,
                        namespaces,
                        queued_by,
                        queued_at: times[0],
                        deadline: times[1],
                        queue_position,
                    }
                },
            )
    }

    fn again(event: SessionQueuedEvent) -> Event {
        let bytes = Event::SessionQueued(event).to_bytes().unwrap();
        let line = format!("Program data: {}", STANDARD.encode_to_string(bytes));
        printed(&Decoder::new(&SESSION_FACTORY_ID), &line)
    }

    proptest! {
        #[test]
        fn each_layout_is_read_as_itself(request in requests(), session in sessions()) {
            prop_assert_eq!(again(request.clone().into()), Event::SessionQueued(request.into()));
            prop_assert_eq!(again(session.clone().into()), Event::SessionQueued(session.into()));
        }
    }
}
