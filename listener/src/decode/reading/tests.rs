//! Of a transaction with its record: what it says, whom it calls, and what of it is missing.

use session_events::factory::SESSION_FACTORY_ID;

use super::*;

fn calls_itself(lines: &[&str]) -> bool {
    let reader = Reader::new(Decoder::new(&SESSION_FACTORY_ID), &SESSION_FACTORY_ID);
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace("FACTORY", &SESSION_FACTORY_ID.to_string()))
        .collect();
    reader.calls_itself(&lines)
}

#[test]
fn a_call_to_itself_is_seen_and_other_calls_are_not() {
    assert!(calls_itself(&[
        "Program FACTORY invoke [1]",
        "Program FACTORY invoke [2]"
    ]));
    assert!(calls_itself(&[
        "Program X invoke [1]",
        "Program FACTORY invoke [2]",
        "Program Y invoke [3]",
        "Program FACTORY invoke [3]"
    ]));
    assert!(!calls_itself(&["Program X invoke [1]", "Program FACTORY invoke [2]"]));
    assert!(!calls_itself(&[
        "Program FACTORY invoke [1]",
        "Program X invoke [1]",
        "Program FACTORY invoke [2]"
    ]));
    assert!(!calls_itself(&[
        "Program FACTORY invoke [1]",
        "Program log: Program FACTORY invoke [2]"
    ]));
}

mod whole_transactions {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::{Value, json};
    use session_events::{
        Event, QueueProcessedEvent,
        factory::{self, EVENT_INSTRUCTION, SessionRequest, event_authority_address},
        session::SESSION_PROGRAM_ID,
    };
    use solana_sdk::message::Message;

    use super::*;

    fn request() -> SessionRequest {
        SessionRequest {
            owner: Pubkey::new_from_array([1; 32]),
            eval_program: Pubkey::new_from_array([2; 32]),
            session_id: "one".to_owned(),
            namespaces: Vec::new(),
            shard_address: Pubkey::new_from_array([3; 32]),
        }
    }

    fn message() -> Message {
        let payer = Pubkey::new_from_array([9; 32]);
        let mut instruction = factory::request_session_creation(&SESSION_FACTORY_ID, &payer, &request()).unwrap();
        let (event_authority, _) = event_authority_address(&SESSION_FACTORY_ID).unwrap();
        instruction
            .accounts
            .push(solana_sdk::instruction::AccountMeta::new_readonly(
                event_authority,
                false,
            ));
        Message::new(&[instruction], Some(&payer))
    }

    /// A transaction of one request, with this record of its execution, as it is read.
    fn read(meta: &Value) -> Reading {
        let bytes = [[1].as_slice(), &[0; 64], &message().serialize()].concat();
        let reply = json!({"slot": 7, "transaction": [STANDARD.encode(bytes), "base64"], "meta": meta});
        let reader = Reader::new(Decoder::new(&SESSION_FACTORY_ID), &SESSION_FACTORY_ID);
        let transaction = serde_json::from_value(reply).unwrap();
        reader.read_transaction(&Signature::default(), &transaction, Origin::Fill)
    }

    fn cut_logs() -> Vec<String> {
        vec![
            format!("Program {SESSION_FACTORY_ID} invoke [1]"),
            "Log truncated".to_owned(),
        ]
    }

    fn expected() -> Event {
        request().expected_event(&SESSION_PROGRAM_ID, 7).unwrap().into()
    }

    #[test]
    fn a_record_that_is_missing_is_a_gap_and_no_empty_transaction() {
        assert_eq!(read(&Value::Null).gap, Some(Unreadable::NoMeta));
        assert_eq!(read(&json!({"logMessages": []})).gap, Some(Unreadable::NoFate));
        let failed = read(&json!({"err": {"InstructionError": [0, "OfNextYear"]}, "logMessages": cut_logs()}));
        assert_eq!((failed.gap, failed.events.len()), (None, 0));
    }

    #[test]
    fn cut_logs_need_the_instructions_and_those_need_their_record() {
        for missing in [
            json!({"err": null, "logMessages": cut_logs()}),
            json!({"err": null, "logMessages": cut_logs(), "innerInstructions": null}),
        ] {
            let gap = read(&missing).gap;
            assert_eq!(
                gap,
                Some(Unreadable::Instructions(InstructionsError::NoInnerInstructions))
            );
        }
        let too_many = json!({"err": null, "logMessages": cut_logs(), "innerInstructions": [],
            "loadedAddresses": {"writable": [SESSION_FACTORY_ID.to_string()], "readonly": []}});
        let gap = read(&too_many).gap;
        let error = InstructionsError::NoLoadedAddresses { expected: 0, given: 1 };
        assert_eq!(gap, Some(Unreadable::Instructions(error)));

        let reading = read(&json!({"err": null, "logMessages": cut_logs(), "innerInstructions": []}));
        assert_eq!(reading.gap, None);
        assert!(matches!(&reading.events[0].body, EventBody::Known(event) if *event == expected()));
        assert_eq!(reading.events[0].origin, Origin::Recovery);
    }

    #[test]
    fn complete_logs_are_believed_and_nothing_is_made_up_beside_them() {
        let mut logged = request().expected_event(&Pubkey::new_from_array([66; 32]), 7).unwrap();
        logged.expected_size = 99;
        let event = Event::from(logged);
        let line = STANDARD.encode(event.to_bytes().unwrap());
        let logs = |data: &[String]| {
            let frame = |what: &str| format!("Program {SESSION_FACTORY_ID} {what}");
            [
                &[frame("invoke [1]")],
                data,
                &[frame("invoke [2]"), frame("success"), frame("success")],
            ]
            .concat()
        };
        let told = |data: Vec<u8>| {
            let keys = message().account_keys;
            let index = |key: Pubkey| keys.iter().position(|known| *known == key).unwrap();
            let (event_authority, _) = event_authority_address(&SESSION_FACTORY_ID).unwrap();
            json!([{"index": 0, "instructions": [{"programIdIndex": index(SESSION_FACTORY_ID),
                "accounts": [index(event_authority)], "data": bs58::encode(data).into_string(), "stackHeight": 2}]}])
        };
        let processed = Event::from(QueueProcessedEvent {
            processor: Pubkey::default(),
            sessions_processed: 1,
            failed_initializations: 0,
            queue_size_before: 1,
            queue_size_after: 0,
            processing_duration_ms: 5,
            processing_started_at: 1,
            processing_completed_at: 2,
            total_processed: 3,
            total_failed: 4,
        });
        let by_cpi = told([EVENT_INSTRUCTION.as_slice(), &processed.to_bytes().unwrap()].concat());
        let meta =
            |logs: Vec<String>, inner: &Value| json!({"err": null, "logMessages": logs, "innerInstructions": inner});
        let bodies =
            |reading: Reading| -> Vec<EventBody> { reading.events.into_iter().map(|found| found.body).collect() };

        let both = read(&meta(logs(&[format!("Program data: {line}")]), &by_cpi));
        assert_eq!(bodies(both), [EventBody::Known(event), EventBody::Known(processed)]);
        let silent = read(&meta(
            logs(&[]),
            &told([EVENT_INSTRUCTION.as_slice(), &[7; 30]].concat()),
        ));
        assert_eq!(
            bodies(silent),
            [],
            "an event that cannot be read is not replaced by a guess"
        );
    }
}
