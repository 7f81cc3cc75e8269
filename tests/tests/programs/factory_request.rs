//! What a session request leaves on chain and in the logs: `request_session_creation`, its variant without logs, and
//! `create_optimistic_session` of the program `session_factory`.

use litesvm::types::TransactionMetadata;
use session_events::{
    Completeness, CreationParameters, Event, PdaComputedEvent, SessionCreatedEvent, SessionCreationAttestation,
    SessionEntry, SessionFactoryState, SessionState, SessionStatus, decode_logs,
    factory::{
        EVENT_INSTRUCTION, SESSION_FACTORY_ID, SessionRequest, entry_address, request_session_creation,
        request_session_creation_cpi, state_address,
    },
    session::{AccountRequest, SESSION_PROGRAM_ID, create_session_account},
    session_address,
};
use solana_sdk::{pubkey::Pubkey, signature::Signer};

use crate::svm::{Svm, data_lines};

const SLOT: u64 = 4_242;
const NOW: i64 = 1_700_000_000;

fn request(session_id: &str, namespaces: &[&str]) -> SessionRequest {
    SessionRequest {
        owner: Pubkey::new_from_array([7; 32]),
        eval_program: Pubkey::new_from_array([8; 32]),
        session_id: session_id.to_owned(),
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        shard_address: SESSION_PROGRAM_ID,
    }
}

/// Requests of each shape: nothing optional, the usual, and texts whose bytes are not their characters.
fn requests() -> Vec<SessionRequest> {
    vec![
        request("", &[]),
        request("session-1", &["default"]),
        request("0123456789abcdef0123456789abcdef", &["", "größe", "名前", "x"]),
    ]
}

fn svm_at_slot() -> Svm {
    let mut svm = Svm::with_factory();
    svm.set_clock(SLOT, NOW);
    svm
}

/// The formula of programs/README.md.
fn expected_size(request: &SessionRequest) -> u64 {
    let namespaces: usize = request.namespaces.iter().map(|name| 260 + name.len()).sum();
    u64::try_from(48 + request.session_id.len() + namespaces).unwrap()
}

fn computed(request: &SessionRequest) -> Event {
    let (expected_pda, _) = session_address(&request.shard_address, &request.owner, &request.session_id).unwrap();
    let request = request.clone();
    Event::PdaComputed(PdaComputedEvent {
        expected_pda,
        expected_size: expected_size(&request),
        expected_owner: request.shard_address,
        session_id: request.session_id,
        owner: request.owner,
        eval_program: request.eval_program,
        shard_address: request.shard_address,
        namespaces: request.namespaces,
        compute_slot: SLOT,
    })
}

fn created(request: &SessionRequest) -> Event {
    let (session_address, _) = session_address(&request.shard_address, &request.owner, &request.session_id).unwrap();
    let attestation = SessionCreationAttestation {
        factory_address: SESSION_FACTORY_ID,
        session_address,
        session_id: request.session_id.clone(),
        eval_address: request.eval_program,
        attestation_id: String::new(),
        creation_parameters: CreationParameters {
            template_id: None,
            custom_config: None,
            requested_namespaces: request.namespaces.clone(),
            metadata: Vec::new(),
        },
        verification_signature: [0; 64],
        attested_at_height: SLOT,
    };
    Event::SessionCreated(Box::new(SessionCreatedEvent {
        session_address,
        owner: request.owner,
        eval_program: request.eval_program,
        shard_address: request.shard_address,
        session_id: request.session_id.clone(),
        namespaces: request.namespaces.clone(),
        capability_used: None,
        verification_functions_executed: Vec::new(),
        attestation,
        created_at: NOW,
        account_size: expected_size(request),
        creation_slot: SLOT,
    }))
}

fn send(svm: &mut Svm, request: &SessionRequest) -> TransactionMetadata {
    let instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), request).unwrap();
    svm.send(&[instruction], &[]).unwrap()
}

fn assert_entry(svm: &Svm, request: &SessionRequest, lamports: Option<u64>) {
    let (address, bump) = entry_address(&SESSION_FACTORY_ID, &request.owner, &request.session_id).unwrap();
    let account = svm.account(&address).unwrap();
    assert_eq!(account.owner, SESSION_FACTORY_ID);
    assert_eq!(account.lamports, lamports.unwrap_or(svm.rent(account.data.len())));
    let request = request.clone();
    let entry = SessionEntry {
        session_address: session_address(&request.shard_address, &request.owner, &request.session_id)
            .unwrap()
            .0,
        owner: request.owner,
        eval_program: request.eval_program,
        shard_address: request.shard_address,
        session_id: request.session_id,
        namespaces: request.namespaces,
        status: SessionStatus::Requested,
        optimistic_state: SessionState::Pending,
        created_at: NOW,
        last_updated: NOW,
        activated_at: None,
        optimistic_state_set_at: NOW,
        bump,
    };
    let mut expected = SessionEntry::DISCRIMINATOR.to_vec();
    borsh::to_writer(&mut expected, &entry).unwrap();
    // Room for `activated_at`.
    expected.extend([0; 8]);
    assert_eq!(account.data, expected);
}

fn total_sessions(svm: &Svm) -> u64 {
    let account = svm.account(&state_address(&SESSION_FACTORY_ID).unwrap().0).unwrap();
    SessionFactoryState::decode(&account.data).unwrap().total_sessions
}

#[test]
fn a_request_logs_two_events_byte_for_byte() {
    let mut svm = svm_at_slot();
    for request in requests() {
        let logs = send(&mut svm, &request).logs;
        let events = [created(&request), computed(&request)];
        assert_eq!(data_lines(&logs), events.clone().map(|event| event.to_bytes().unwrap()));
        let decoded = decode_logs(&SESSION_FACTORY_ID, &logs);
        assert_eq!(decoded.completeness, Completeness::Complete);
        assert_eq!(decoded.refusals, []);
        assert_eq!(
            decoded
                .events
                .into_iter()
                .map(|logged| logged.event)
                .collect::<Vec<_>>(),
            events
        );
    }
}

#[test]
fn a_request_writes_its_entry_and_is_counted() {
    let mut svm = svm_at_slot();
    for (count, request) in (1..).zip(requests()) {
        send(&mut svm, &request);
        assert_entry(&svm, &request, None);
        assert_eq!(total_sessions(&svm), count);
    }
}

#[test]
fn lamports_sent_beforehand_to_an_entry_do_not_prevent_it() {
    let mut svm = svm_at_slot();
    for (request, sent) in requests()
        .into_iter()
        .zip([svm.rent(0), svm.rent(0) + 1, svm.rent(10_000)])
    {
        let (address, _) = entry_address(&SESSION_FACTORY_ID, &request.owner, &request.session_id).unwrap();
        svm.fund(&address, sent);
        send(&mut svm, &request);
        assert_entry(&svm, &request, (sent == svm.rent(10_000)).then_some(sent));
    }
}

#[test]
fn sessions_of_one_owner_or_one_name_are_different_sessions() {
    let mut svm = svm_at_slot();
    let first = request("session-1", &["default"]);
    let same_owner = request("session-2", &["default"]);
    let same_name = SessionRequest {
        owner: Pubkey::new_from_array([9; 32]),
        ..first.clone()
    };
    for request in [&first, &same_owner, &same_name] {
        send(&mut svm, request);
    }
    assert_eq!(total_sessions(&svm), 3);
}

#[test]
fn two_requests_of_one_transaction_log_four_events() {
    let mut svm = svm_at_slot();
    let requests = [request("a", &["n"]), request("b", &["n"])];
    let payer = svm.payer.pubkey();
    let instructions = requests
        .each_ref()
        .map(|request| request_session_creation(&SESSION_FACTORY_ID, &payer, request).unwrap());
    let logs = svm.send(&instructions, &[]).unwrap().logs;
    let expected = requests
        .iter()
        .flat_map(|request| [created(request), computed(request)]);
    let events = decode_logs(&SESSION_FACTORY_ID, &logs).events;
    assert_eq!(
        events.into_iter().map(|logged| logged.event).collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
}

#[test]
fn the_account_that_the_event_asks_for_can_be_created() {
    let mut svm = svm_at_slot();
    let request = request("session-1", &["default", "other"]);
    let logs = send(&mut svm, &request).logs;
    let events = decode_logs(&SESSION_FACTORY_ID, &logs).events;
    let Some(Event::PdaComputed(event)) = events.into_iter().map(|logged| logged.event).nth(1) else {
        panic!("the second event is not PDAComputedEvent");
    };
    let account = AccountRequest {
        owner: event.owner,
        session_id: event.session_id,
        size: event.expected_size,
    };
    let instruction = create_session_account(&event.expected_owner, &svm.payer.pubkey(), &account).unwrap();
    svm.send(&[instruction], &[]).unwrap();
    let account = svm.account(&event.expected_pda).unwrap();
    assert_eq!(account.owner, event.expected_owner);
    assert_eq!(account.data.len() as u64, event.expected_size);
}

#[test]
fn a_size_that_no_account_can_have_is_still_asked_for() {
    let mut svm = svm_at_slot();
    let request = request("large", &["n"; 40]);
    let logs = send(&mut svm, &request).logs;
    let events = decode_logs(&SESSION_FACTORY_ID, &logs).events;
    assert_eq!(events[1].event, computed(&request));
    assert!(expected_size(&request) > 10_240);
}

#[test]
fn an_optimistic_session_logs_one_event_without_address_and_writes_nothing() {
    let mut svm = svm_at_slot();
    for request in requests() {
        let instruction = session_tests::chain::optimistic_instruction(&svm.payer.pubkey(), &request);
        let logs = svm.send(&[instruction], &[]).unwrap().logs;
        let Event::PdaComputed(computed) = computed(&request) else {
            unreachable!()
        };
        let expected = Event::PdaComputed(PdaComputedEvent {
            expected_pda: Pubkey::default(),
            ..computed
        });
        assert_eq!(data_lines(&logs), [expected.to_bytes().unwrap()]);
        let (entry, _) = entry_address(&SESSION_FACTORY_ID, &request.owner, &request.session_id).unwrap();
        assert_eq!(svm.account(&entry), None);
    }
    assert_eq!(total_sessions(&svm), 0);
}

#[test]
fn the_variant_without_logs_sends_the_same_events_to_the_factory_itself() {
    let mut svm = svm_at_slot();
    for (count, request) in (1..).zip(requests()) {
        let instruction = request_session_creation_cpi(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request).unwrap();
        let sent = svm.send(&[instruction], &[]).unwrap();
        assert_eq!(data_lines(&sent.logs), Vec::<Vec<u8>>::new());
        let inner = sent.inner_instructions[0].iter().map(|inner| &inner.instruction.data);
        let events: Vec<_> = inner.filter_map(|data| data.strip_prefix(&EVENT_INSTRUCTION)).collect();
        let expected = [created(&request), computed(&request)].map(|event| event.to_bytes().unwrap());
        assert_eq!(events, expected);
        assert_entry(&svm, &request, None);
        assert_eq!(total_sessions(&svm), count);
    }
}
