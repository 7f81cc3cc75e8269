//! `emit_event` of the program `session_factory`, and the instruction by which it sends events to itself.

use session_events::{
    EmergencySessionResetEvent, Event, EventKind, ManualSessionInitializedEvent, QueueProcessedEvent, QueuedSession,
    SessionActivatedEvent, SessionInitializedFromQueueEvent, SessionQueuedEvent, SessionReservedEvent, SessionState,
    SessionStatus, decode_logs,
    factory::{EVENT_INSTRUCTION, SESSION_FACTORY_ID, emit_event, event_authority_address, state_address},
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction},
    pubkey::Pubkey,
    signature::Signer,
};

use crate::svm::{Svm, data_lines, with_data};

const STATE: usize = 0;
const AUTHORITY: usize = 1;

const KEY: Pubkey = Pubkey::new_from_array([3; 32]);
const NOW: i64 = 1_700_000_000;

/// One of each of the seven.
fn events() -> Vec<Event> {
    [sessions_progress().as_slice(), &operations()].concat()
}

/// What happens to a session by itself.
fn sessions_progress() -> [Event; 4] {
    let session_id = || "session-1".to_owned();
    [
        Event::SessionReserved(SessionReservedEvent {
            reservation_id: "reservation".to_owned(),
            session_id: session_id(),
            reserved_by: KEY,
            session_owner: KEY,
            template_id: Some("größe".to_owned()),
            expires_at: NOW + 60,
            reserved_at: NOW,
        }),
        Event::SessionActivated(SessionActivatedEvent {
            session_address: KEY,
            session_id: session_id(),
            owner: KEY,
            eval_program: KEY,
            shard_address: KEY,
            namespaces: vec!["default".to_owned(), String::new()],
            activated_at: NOW,
            activated_by: KEY,
            activation_slot: 7,
        }),
        Event::SessionQueued(SessionQueuedEvent::from(QueuedSession {
            session_pda: KEY,
            session_id: session_id(),
            owner: KEY,
            eval_program: KEY,
            shard_address: KEY,
            namespaces: Vec::new(),
            queued_by: KEY,
            queued_at: NOW,
            deadline: NOW + 60,
            queue_position: u64::MAX,
        })),
        Event::SessionInitializedFromQueue(SessionInitializedFromQueueEvent {
            session_pda: KEY,
            session_id: session_id(),
            owner: KEY,
            executor: KEY,
            queued_by: KEY,
            initialized_at: -1,
            queue_position: 0,
        }),
    ]
}

/// What an operator does.
fn operations() -> [Event; 3] {
    let session_id = || "session-1".to_owned();
    [
        Event::QueueProcessed(QueueProcessedEvent {
            processor: KEY,
            sessions_processed: 3,
            failed_initializations: 1,
            queue_size_before: 9,
            queue_size_after: 5,
            processing_duration_ms: 120,
            processing_started_at: NOW,
            processing_completed_at: NOW + 1,
            total_processed: 300,
            total_failed: 10,
        }),
        Event::ManualSessionInitialized(ManualSessionInitializedEvent {
            session_pda: KEY,
            session_id: session_id(),
            owner: KEY,
            authority: KEY,
            force_activation: true,
            initialized_at: NOW,
        }),
        Event::EmergencySessionReset(EmergencySessionResetEvent {
            session_pda: KEY,
            session_id: session_id(),
            owner: KEY,
            authority: KEY,
            old_status: SessionStatus::Active,
            new_status: SessionStatus::Requested,
            old_optimistic_state: SessionState::Closed,
            new_optimistic_state: SessionState::Pending,
            reset_at: NOW,
        }),
    ]
}

fn emission(svm: &Svm) -> Instruction {
    emit_event(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &events()[0]).unwrap()
}

/// The instruction by which the factory sends itself an event, from somebody else.
fn forged(authority: AccountMeta) -> Instruction {
    let data = [EVENT_INSTRUCTION.as_slice(), &events()[0].to_bytes().unwrap()].concat();
    Instruction {
        program_id: SESSION_FACTORY_ID,
        accounts: vec![authority],
        data,
    }
}

#[test]
fn each_of_the_seven_is_logged_byte_for_byte() {
    let mut svm = Svm::with_factory();
    for event in events() {
        let instruction = emit_event(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &event).unwrap();
        let logs = svm.send(&[instruction], &[]).unwrap().logs;
        assert_eq!(data_lines(&logs), [event.to_bytes().unwrap()]);
        assert_eq!(decode_logs(&SESSION_FACTORY_ID, &logs).events[0].event, event);
    }
}

#[test]
fn together_with_a_requests_two_they_are_all_nine() {
    let mut kinds: Vec<_> = events().iter().map(Event::kind).collect();
    kinds.extend([EventKind::PdaComputed, EventKind::SessionCreated]);
    kinds.sort_unstable();
    let mut all = EventKind::ALL;
    all.sort_unstable();
    assert_eq!(kinds, all);
}

#[test]
fn an_events_content_is_not_looked_at() {
    let mut svm = Svm::with_factory();
    for content in [&b""[..], b"no event at all"] {
        let event = [EventKind::QueueProcessed.discriminator().as_slice(), content].concat();
        let instruction = with_data(&emission(&svm), &[&emission(&svm).data[..8], &event].concat());
        let logs = svm.send(&[instruction], &[]).unwrap().logs;
        assert_eq!(data_lines(&logs), [event]);
    }
}

#[test]
fn any_other_event_is_refused() {
    let mut svm = Svm::with_factory();
    let requested = [
        EventKind::PdaComputed.discriminator(),
        EventKind::SessionCreated.discriminator(),
    ];
    for discriminator in requested.into_iter().chain([[0; 8], EVENT_INSTRUCTION]) {
        let mut instruction = emission(&svm);
        instruction.data[8..16].copy_from_slice(&discriminator);
        assert_eq!(svm.refusal(instruction, &[]), 6014);
    }
}

#[test]
fn an_event_without_a_whole_discriminator_is_refused() {
    let mut svm = Svm::with_factory();
    let good = emission(&svm);
    for length in 8..16 {
        assert_eq!(svm.refusal(with_data(&good, &good.data[..length]), &[]), 6001);
    }
}

#[test]
fn missing_accounts_are_refused() {
    let mut svm = Svm::with_factory();
    for count in 0..=AUTHORITY {
        let mut instruction = emission(&svm);
        instruction.accounts.truncate(count);
        assert_eq!(svm.refusal(instruction, &[]), 6002);
    }
}

#[test]
fn an_authority_who_did_not_sign_is_refused() {
    let mut svm = Svm::with_factory();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = emission(&svm);
    instruction.accounts[AUTHORITY].is_signer = false;
    // The transaction's fee is paid by somebody else than the authority.
    svm.payer = wallet;
    assert_eq!(svm.refusal(instruction, &[]), 6003);
}

#[test]
fn any_other_address_for_the_state_is_refused() {
    let mut svm = Svm::with_factory();
    let mut instruction = emission(&svm);
    instruction.accounts[STATE].pubkey = Pubkey::new_unique();
    assert_eq!(svm.refusal(instruction, &[]), 6006);
}

#[test]
fn a_factory_without_state_refuses() {
    let mut svm = Svm::new();
    assert_eq!(svm.account(&state_address(&SESSION_FACTORY_ID).unwrap().0), None);
    let instruction = emission(&svm);
    assert_eq!(svm.refusal(instruction, &[]), 6008);
}

#[test]
fn anybody_but_the_authority_is_refused() {
    let mut svm = Svm::with_factory();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = emission(&svm);
    instruction.accounts[AUTHORITY].pubkey = wallet.pubkey();
    assert_eq!(svm.refusal(instruction, &[&wallet]), 6013);
}

#[test]
fn an_event_instruction_from_outside_is_refused() {
    let mut svm = Svm::with_factory();
    let (authority, _) = event_authority_address(&SESSION_FACTORY_ID).unwrap();
    assert_eq!(
        svm.refusal(forged(AccountMeta::new_readonly(authority, false)), &[]),
        6015
    );
    // Somebody's own signature is no substitute.
    let payer = AccountMeta::new_readonly(svm.payer.pubkey(), true);
    assert_eq!(svm.refusal(forged(payer.clone()), &[]), 6015);
    let without_accounts = Instruction {
        accounts: Vec::new(),
        ..forged(payer)
    };
    assert_eq!(svm.refusal(without_accounts, &[]), 6002);
}
