//! Events from instructions: those of the factory are found, and nobody else's are believed.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing that is not as it should be"
)]

use session_events::{
    Decoded, Decoder, Event, ExecutedInstruction, Means, QueueProcessedEvent, RecoveredEvent, Recovery, SessionStatus,
    UnrecoveredReason, decode_logs,
    factory::{
        EVENT_INSTRUCTION, ManualInitialization, OptimisticRequest, SESSION_FACTORY_ID, SessionRequest, close_session,
        create_optimistic_session, event_authority_address, initialize, manual_initialize_session,
        request_session_creation, update_session_status,
    },
    idl::Idl,
    session::SESSION_PROGRAM_ID,
    session_address,
};
use solana_pubkey::Pubkey;

const FACTORY: Pubkey = SESSION_FACTORY_ID;
const HOSTILE: Pubkey = Pubkey::new_from_array([66; 32]);
const SLOT: u64 = 901;

fn request(session_id: &str) -> SessionRequest {
    SessionRequest {
        owner: Pubkey::new_from_array([1; 32]),
        eval_program: Pubkey::new_from_array([2; 32]),
        session_id: session_id.to_owned(),
        namespaces: vec!["one".to_owned(), "four".to_owned()],
        shard_address: Pubkey::new_from_array([3; 32]),
    }
}

fn computed(session_id: &str) -> Event {
    request(session_id)
        .expected_event(&SESSION_PROGRAM_ID, SLOT)
        .unwrap()
        .into()
}

fn queue_processed() -> Event {
    Event::from(QueueProcessedEvent {
        processor: HOSTILE,
        sessions_processed: 1,
        failed_initializations: 2,
        queue_size_before: 3,
        queue_size_after: 4,
        processing_duration_ms: 5,
        processing_started_at: 6,
        processing_completed_at: 7,
        total_processed: 8,
        total_failed: 9,
    })
}

fn executed(program: Pubkey, height: u32, data: Vec<u8>) -> ExecutedInstruction {
    ExecutedInstruction {
        program,
        accounts: Vec::new(),
        data,
        stack_height: Some(height),
    }
}

fn requested(session_id: &str, height: u32) -> ExecutedInstruction {
    let instruction = request_session_creation(&FACTORY, &HOSTILE, &request(session_id)).unwrap();
    executed(FACTORY, height, instruction.data)
}

fn told(event: &Event, height: u32) -> ExecutedInstruction {
    let data = [EVENT_INSTRUCTION.as_slice(), &event.to_bytes().unwrap()].concat();
    let (event_authority, _) = event_authority_address(&FACTORY).unwrap();
    ExecutedInstruction {
        accounts: vec![event_authority],
        ..executed(FACTORY, height, data)
    }
}

fn recover(instructions: &[ExecutedInstruction]) -> Recovery {
    Decoder::new(&FACTORY).recover(instructions, SLOT)
}

fn only_reason(instructions: &[ExecutedInstruction]) -> UnrecoveredReason {
    let mut recovery = recover(instructions);
    assert_eq!(recovery.events, []);
    assert_eq!(recovery.unrecovered.len(), 1, "{recovery:?}");
    recovery.unrecovered.remove(0).reason
}

#[test]
fn a_request_tells_its_event_whoever_called_it() {
    let recovery = recover(&[
        requested("own", 1),
        executed(HOSTILE, 1, vec![]),
        requested("called", 2),
    ]);
    let event = |instruction, session_id| RecoveredEvent {
        instruction,
        event: computed(session_id),
        means: Means::RequestArguments,
    };
    assert_eq!(recovery.events, [event(0, "own"), event(2, "called")]);
    assert_eq!(recovery.unrecovered, []);
}

#[test]
fn the_rebuilt_event_is_the_documented_one() {
    let Event::PdaComputed(event) = computed("abc") else {
        panic!("not a PDAComputedEvent")
    };
    assert_eq!(event.expected_size, 184, "162 + 3 + (4 + 3) + (4 + 4) is 180");
    assert_eq!(event.expected_owner, SESSION_PROGRAM_ID, "whatever the shard is");
    assert_ne!(event.expected_owner, event.shard_address);
    assert_eq!(event.compute_slot, SLOT);
    assert_eq!(
        event.expected_pda,
        session_address(&event.expected_owner, &event.owner, "abc").unwrap().0
    );
}

#[test]
fn what_the_factory_tells_itself_is_believed() {
    // Whatever instruction it is that tells them.
    let data = vec![9; 40];
    let recovery = recover(&[
        executed(HOSTILE, 1, vec![]),
        executed(FACTORY, 2, data),
        executed(Pubkey::default(), 3, vec![]),
        told(&computed("cpi"), 3),
        told(&queue_processed(), 3),
    ]);
    let events: Vec<_> = recovery
        .events
        .into_iter()
        .map(|recovered| (recovered.instruction, recovered.event))
        .collect();
    assert_eq!(events, [(3, computed("cpi")), (4, queue_processed())]);
}

#[test]
fn what_others_tell_the_factory_is_not_believed() {
    let forged = computed("forged");
    assert_eq!(
        only_reason(&[told(&forged, 1)]),
        UnrecoveredReason::ForeignCaller { caller: None }
    );
    assert_eq!(
        only_reason(&[executed(HOSTILE, 1, vec![]), told(&forged, 2)]),
        UnrecoveredReason::ForeignCaller { caller: Some(HOSTILE) }
    );
    // The factory was called before, and has returned.
    assert_eq!(
        only_reason(&[
            executed(HOSTILE, 1, vec![]),
            executed(FACTORY, 2, initialize(&FACTORY, &HOSTILE).unwrap().data),
            told(&forged, 2)
        ]),
        UnrecoveredReason::ForeignCaller { caller: Some(HOSTILE) }
    );
    // Another program's event instruction is its own business, whoever it imitates.
    let mut own = told(&forged, 2);
    own.program = HOSTILE;
    assert_eq!(recover(&[executed(HOSTILE, 1, vec![]), own]), Recovery::default());
}

#[test]
fn without_a_caller_or_the_event_authority_nothing_is_believed() {
    let called_by_itself = |event: ExecutedInstruction| {
        let mut recovery = recover(&[requested("a", 1), event]);
        assert_eq!(recovery.events.len(), 1, "the request itself");
        recovery.unrecovered.remove(0).reason
    };
    let mut without_height = told(&computed("b"), 2);
    without_height.stack_height = None;
    assert_eq!(called_by_itself(without_height), UnrecoveredReason::UnknownCaller);
    assert_eq!(
        called_by_itself(told(&computed("b"), 3)),
        UnrecoveredReason::UnknownCaller
    );
    assert_eq!(
        called_by_itself(told(&computed("b"), 0)),
        UnrecoveredReason::UnknownCaller
    );

    let mut without_authority = told(&computed("b"), 2);
    without_authority.accounts.clear();
    assert!(matches!(
        called_by_itself(without_authority),
        UnrecoveredReason::WrongEventAuthority { .. }
    ));
}

#[test]
fn what_cannot_be_recovered_is_listed_with_its_reason() {
    let undecodable = executed(FACTORY, 2, [EVENT_INSTRUCTION.as_slice(), &[7; 3]].concat());
    let accounts = vec![event_authority_address(&FACTORY).unwrap().0];
    let recovery = recover(&[
        requested("a", 1),
        ExecutedInstruction {
            accounts,
            ..undecodable
        },
    ]);
    assert!(matches!(
        recovery.unrecovered[0].reason,
        UnrecoveredReason::Undecodable(_)
    ));

    let mut short = requested("short", 1);
    short.data.truncate(40);
    assert!(matches!(only_reason(&[short]), UnrecoveredReason::Request { .. }));

    let entry = Pubkey::default();
    let update = update_session_status(&FACTORY, &HOSTILE, &entry, SessionStatus::Active).unwrap();
    let reason = only_reason(&[executed(FACTORY, 1, update.data)]);
    assert_eq!(
        reason.to_string(),
        "events of update_session_status are only in the logs"
    );
    let arguments = ManualInitialization {
        session_id: "a".to_owned(),
        force_activation: true,
    };
    let manual = manual_initialize_session(&FACTORY, &HOSTILE, &entry, &arguments).unwrap();
    let reason = only_reason(&[executed(FACTORY, 1, manual.data)]);
    assert!(reason.to_string().contains("manual_initialize_session"), "{reason}");
    assert!(matches!(
        only_reason(&[executed(FACTORY, 1, vec![1])]),
        UnrecoveredReason::LogsOnly { .. }
    ));
}

#[test]
fn instructions_that_emit_nothing_lose_nothing() {
    let entry = Pubkey::default();
    let update = |status| update_session_status(&FACTORY, &HOSTILE, &entry, status).unwrap().data;
    let silent = [
        initialize(&FACTORY, &HOSTILE).unwrap().data,
        close_session(&FACTORY, &HOSTILE, &entry, &HOSTILE).unwrap().data,
        update(SessionStatus::Created),
        update(SessionStatus::Closed),
    ];
    let silent = silent.map(|data| executed(FACTORY, 1, data));
    assert_eq!(recover(&silent), Recovery::default());
}

#[test]
fn an_optimistic_session_is_rebuilt_as_one_that_asks_for_nothing() {
    let request = OptimisticRequest {
        owner: HOSTILE,
        session_id: "abc".to_owned(),
    };
    let data = create_optimistic_session(&FACTORY, &HOSTILE, &request).unwrap().data;
    let mut recovery = recover(&[executed(FACTORY, 1, data)]);
    let Event::PdaComputed(event) = recovery.events.remove(0).event else {
        panic!("not a PDAComputedEvent")
    };
    assert!(!event.asks_for_account());
    assert_eq!((event.expected_owner, event.expected_size), (SESSION_PROGRAM_ID, 168));
    assert_eq!((event.owner, event.session_id.as_str()), (HOSTILE, "abc"));
    assert_eq!(recovery, Recovery::default());
}

#[test]
fn another_session_program_is_the_owner_where_it_is_configured() {
    let decoder = Decoder::new(&FACTORY).with_session_program(&HOSTILE);
    let recovery = decoder.recover(&[requested("a", 1)], SLOT);
    let expected = request("a").expected_event(&HOSTILE, SLOT).unwrap();
    assert_eq!(recovery.events[0].event, expected.into());
}

#[test]
fn complete_logs_without_an_event_say_that_there_was_none() {
    let recovery = recover(&[requested("silent", 1), told(&queue_processed(), 2)]);
    assert_eq!(recovery.events.len(), 2);
    let told = recovery.told();
    assert_eq!(told.events.len(), 1);
    assert_eq!(told.events[0].event, queue_processed());
}

#[test]
fn an_event_that_only_the_idl_knows_is_told_as_well_as_logged() {
    let mut idl: serde_json::Value = serde_json::from_str(include_str!("../idl/session_factory.json")).unwrap();
    let event = serde_json::json!({"name": "NewEvent", "discriminator": [9, 9, 9, 9, 9, 9, 9, 9]});
    idl["events"].as_array_mut().unwrap().push(event);
    let body =
        serde_json::json!({"name": "NewEvent", "type": {"kind": "struct", "fields": [{"name": "n", "type": "u8"}]}});
    idl["types"].as_array_mut().unwrap().push(body);
    let decoder = Decoder::with_idl(&FACTORY, &Idl::parse(&idl.to_string()).unwrap()).unwrap();

    let accounts = vec![event_authority_address(&FACTORY).unwrap().0];
    let data = [EVENT_INSTRUCTION.as_slice(), &[9; 8], &[7]].concat();
    let told = ExecutedInstruction {
        accounts,
        ..executed(FACTORY, 2, data)
    };
    let recovery = decoder.recover(&[requested("a", 1), told], SLOT);
    assert_eq!(recovery.unrecovered, []);
    assert_eq!(recovery.declared[0].name, "NewEvent");
    assert_eq!(recovery.declared[0].fields["n"], 7);
    assert_eq!(recovery.declared[0].index, 1);
}

#[test]
fn a_request_that_is_also_told_counts_once() {
    let recovery = recover(&[requested("a", 1), told(&computed("a"), 2), requested("b", 1)]);
    let found: Vec<_> = recovery
        .events
        .into_iter()
        .map(|recovered| (recovered.event, recovered.means))
        .collect();
    assert_eq!(
        found,
        [
            (computed("a"), Means::SelfInstruction),
            (computed("b"), Means::RequestArguments)
        ]
    );
}

#[test]
fn only_what_the_logs_lack_is_missing_and_the_logged_size_is_right() {
    let mut logged = request("logged").expected_event(&HOSTILE, SLOT).unwrap();
    logged.expected_size += 1;
    let decoded = Decoded {
        events: vec![session_events::LoggedEvent {
            index: 0,
            event: logged.into(),
        }],
        ..decode_logs(&FACTORY, &["Log truncated"])
    };
    let recovery = recover(&[requested("logged", 1), requested("cut", 1)]);
    let missing = recovery.missing_from(&decoded);
    assert_eq!(
        missing
            .events
            .into_iter()
            .map(|recovered| recovered.event)
            .collect::<Vec<_>>(),
        [computed("cut")]
    );
}
