//! What a session request leaves on chain and in the logs: `request_session_creation` of the program `session_factory`.

use litesvm::types::TransactionMetadata;
use session_events::{
    Completeness, CreationParameters, Event, PdaComputedEvent, SessionCreatedEvent, SessionCreationAttestation,
    SessionEntry, SessionState, SessionStatus, decode_logs,
    factory::{SESSION_FACTORY_ID, SessionRequest, entry_address, request_session_creation},
    session::{AccountRequest, SESSION_PROGRAM_ID, create_session_account},
    session_address,
};
use solana_sdk::{pubkey::Pubkey, signature::Signer};

use crate::{
    sessions::{entry_of, request, requested, state, state_of_factory},
    svm::{NOW, SLOT, Svm, data_lines},
};

/// Ids and namespaces with the account's size, computed by hand: 162 bytes and the texts, rounded up to eight.
const SIZES: [(&str, &[&str], u64); 5] = [
    ("a", &[], 168),
    ("abcdef", &[], 168),
    ("session-1", &["default"], 184),
    ("0123456789abcdef0123456789abcdef", &["", "größe", "名前", "x"], 224),
    ("s", &["n", "n", "n", "n", "n", "n", "n", "n", "n", "n"], 216),
];

fn requests() -> Vec<SessionRequest> {
    let requests = SIZES.iter().map(|(id, namespaces, _)| request(id, namespaces));
    requests.collect()
}

fn size_of(request: &SessionRequest) -> u64 {
    SIZES.iter().find(|(id, ..)| *id == request.session_id).unwrap().2
}

/// The session's address under the session program, whatever the shard.
fn address_of(request: &SessionRequest) -> Pubkey {
    session_address(&SESSION_PROGRAM_ID, &request.owner, &request.session_id)
        .unwrap()
        .0
}

fn computed(request: &SessionRequest) -> Event {
    let request = request.clone();
    Event::PdaComputed(PdaComputedEvent {
        expected_pda: address_of(&request),
        expected_size: size_of(&request),
        expected_owner: SESSION_PROGRAM_ID,
        session_id: request.session_id,
        owner: request.owner,
        eval_program: request.eval_program,
        shard_address: request.shard_address,
        namespaces: request.namespaces,
        compute_slot: SLOT,
    })
}

fn created(request: &SessionRequest) -> Event {
    let metadata = [("factory_version", "1"), ("creation_method", "direct_request")];
    let attestation = SessionCreationAttestation {
        factory_address: state_of_factory(),
        session_address: address_of(request),
        session_id: request.session_id.clone(),
        eval_address: request.eval_program,
        attestation_id: format!("att_{SLOT}_{}", request.session_id),
        creation_parameters: CreationParameters {
            template_id: None,
            custom_config: None,
            requested_namespaces: request.namespaces.clone(),
            metadata: crate::sessions::metadata(&metadata),
        },
        verification_signature: [0; 64],
        attested_at_height: SLOT,
    };
    Event::SessionCreated(Box::new(SessionCreatedEvent {
        session_address: address_of(request),
        owner: request.owner,
        eval_program: request.eval_program,
        shard_address: request.shard_address,
        session_id: request.session_id.clone(),
        namespaces: request.namespaces.clone(),
        capability_used: Some("session_factory.create_session".to_owned()),
        verification_functions_executed: Vec::new(),
        attestation,
        created_at: NOW,
        account_size: size_of(request),
        creation_slot: SLOT,
    }))
}

fn send(svm: &mut Svm, request: &SessionRequest) -> TransactionMetadata {
    let instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), request).unwrap();
    svm.send(&[instruction], &[]).unwrap()
}

/// The entry's account: what Anchor writes, with room for `activated_at` and 64 bytes to spare.
fn assert_entry(svm: &Svm, request: &SessionRequest, lamports: Option<u64>) {
    let (address, bump) = entry_address(&SESSION_FACTORY_ID, &request.owner, &request.session_id).unwrap();
    let account = svm.account(&address).unwrap();
    assert_eq!(account.owner, SESSION_FACTORY_ID);
    assert_eq!(account.lamports, lamports.unwrap_or(svm.rent(account.data.len())));
    let request = request.clone();
    let entry = SessionEntry {
        session_address: address_of(&request),
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
    expected.extend([0; 8 + 64]);
    assert_eq!(account.data, expected);
}

#[test]
fn a_request_logs_two_events_byte_for_byte() {
    let mut svm = Svm::with_factory();
    for request in requests() {
        let logs = send(&mut svm, &request).logs;
        let events = [created(&request), computed(&request)];
        assert_eq!(data_lines(&logs), events.clone().map(|event| event.to_bytes().unwrap()));
        assert!(logs.contains(&"Program log: Instruction: RequestSessionCreation".to_owned()));
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
    let mut svm = Svm::with_factory();
    for (count, request) in (1..).zip(requests()) {
        send(&mut svm, &request);
        assert_entry(&svm, &request, None);
        assert_eq!((state(&svm).total_sessions, state(&svm).active_sessions), (count, 0));
    }
}

#[test]
fn sessions_are_counted_up_to_the_largest_number() {
    let mut svm = Svm::with_factory();
    let mut account = svm.account(&state_of_factory()).unwrap();
    account.data[40..48].fill(0xff);
    svm.chain.set_account(state_of_factory(), account).unwrap();
    requested(&mut svm, &request("one more", &[]));
    assert_eq!(state(&svm).total_sessions, u64::MAX);
}

#[test]
fn lamports_sent_beforehand_to_an_entry_do_not_prevent_it() {
    let mut svm = Svm::with_factory();
    let rich = svm.rent(10_000);
    for (request, sent) in requests().into_iter().zip([svm.rent(0), svm.rent(0) + 1, rich]) {
        svm.fund(&entry_of(&request), sent);
        send(&mut svm, &request);
        assert_entry(&svm, &request, (sent == rich).then_some(sent));
    }
}

#[test]
fn sessions_of_one_owner_or_one_name_are_different_sessions() {
    let mut svm = Svm::with_factory();
    let first = request("session-1", &["default"]);
    let same_owner = request("session-2", &["default"]);
    let same_name = SessionRequest {
        owner: Pubkey::new_from_array([9; 32]),
        ..first.clone()
    };
    for request in [&first, &same_owner, &same_name] {
        send(&mut svm, request);
    }
    assert_eq!(state(&svm).total_sessions, 3);
}

#[test]
fn two_requests_of_one_transaction_log_four_events() {
    let mut svm = Svm::with_factory();
    let requests = [request("a", &[]), request("abcdef", &[])];
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
fn bytes_after_the_arguments_are_left_alone() {
    let mut svm = Svm::with_factory();
    let request = request("session-1", &["default"]);
    let mut instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request).unwrap();
    instruction.data.extend([0xff; 9]);
    let logs = svm.send(&[instruction], &[]).unwrap().logs;
    assert_eq!(data_lines(&logs)[1], computed(&request).to_bytes().unwrap());
    assert_entry(&svm, &request, None);
}

#[test]
fn the_account_that_the_event_asks_for_can_be_created() {
    let mut svm = Svm::with_factory();
    for request in requests() {
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
}
