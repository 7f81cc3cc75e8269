//! `create_optimistic_session` of the program `session_factory`: a session that will do without an account for now.

use session_events::{
    CreationParameters, Event, PdaComputedEvent, SessionCreatedEvent, SessionCreationAttestation, SessionEntry,
    SessionState, SessionStatus,
    factory::{OptimisticRequest, SESSION_FACTORY_ID, create_optimistic_session, entry_address},
    session::SESSION_PROGRAM_ID,
};
use solana_sdk::{pubkey::Pubkey, signature::Signer};

use crate::{
    sessions::{entry, metadata, request, requested, state},
    svm::{NOW, SLOT, Svm, data_lines},
};

const NOBODY: Pubkey = Pubkey::new_from_array([0; 32]);

fn optimistic(session_id: &str) -> OptimisticRequest {
    OptimisticRequest {
        owner: Pubkey::new_from_array([7; 32]),
        session_id: session_id.to_owned(),
    }
}

fn events(request: &OptimisticRequest, size: u64) -> [Event; 2] {
    let metadata = metadata(&[("factory_version", "1"), ("creation_method", "optimistic_session")]);
    let attestation = SessionCreationAttestation {
        factory_address: NOBODY,
        session_address: NOBODY,
        session_id: request.session_id.clone(),
        eval_address: NOBODY,
        attestation_id: format!("att_{SLOT}_{}", request.session_id),
        creation_parameters: CreationParameters {
            template_id: None,
            custom_config: None,
            requested_namespaces: Vec::new(),
            metadata,
        },
        verification_signature: [0; 64],
        attested_at_height: SLOT,
    };
    let created = Event::SessionCreated(Box::new(SessionCreatedEvent {
        session_address: NOBODY,
        owner: request.owner,
        eval_program: NOBODY,
        shard_address: NOBODY,
        session_id: request.session_id.clone(),
        namespaces: Vec::new(),
        capability_used: Some("session_factory.create_optimistic_session".to_owned()),
        verification_functions_executed: Vec::new(),
        attestation,
        created_at: NOW,
        account_size: size,
        creation_slot: SLOT,
    }));
    let computed = Event::PdaComputed(PdaComputedEvent {
        expected_pda: NOBODY,
        expected_size: size,
        expected_owner: SESSION_PROGRAM_ID,
        session_id: request.session_id.clone(),
        owner: request.owner,
        eval_program: NOBODY,
        shard_address: NOBODY,
        namespaces: Vec::new(),
        compute_slot: SLOT,
    });
    [created, computed]
}

#[test]
fn it_logs_two_events_and_writes_an_entry_without_address() {
    let mut svm = Svm::with_factory();
    for (count, (session_id, size)) in
        (1..).zip([("a", 168), ("abcdefg", 176), ("0123456789abcdef0123456789abcdef", 200)])
    {
        let request = optimistic(session_id);
        let instruction = create_optimistic_session(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request).unwrap();
        let logs = svm.send(&[instruction], &[]).unwrap().logs;
        let expected = events(&request, size).map(|event| event.to_bytes().unwrap());
        assert_eq!(data_lines(&logs), expected);

        let (address, bump) = entry_address(&SESSION_FACTORY_ID, &request.owner, session_id).unwrap();
        let expected = SessionEntry {
            session_address: NOBODY,
            owner: request.owner,
            eval_program: NOBODY,
            shard_address: NOBODY,
            session_id: session_id.to_owned(),
            namespaces: Vec::new(),
            status: SessionStatus::Requested,
            optimistic_state: SessionState::Pending,
            created_at: NOW,
            last_updated: NOW,
            activated_at: None,
            optimistic_state_set_at: NOW,
            bump,
        };
        assert_eq!(entry(&svm, &address), expected);
        let account = svm.account(&address).unwrap();
        let content = borsh::to_vec(&expected).unwrap();
        assert_eq!(account.data.len(), 8 + content.len() + 8 + 64);
        assert_eq!(account.lamports, svm.rent(account.data.len()));
        assert_eq!(state(&svm).total_sessions, count);
    }
}

#[test]
fn an_owner_of_zeroes_is_nobody_s_concern() {
    let mut svm = Svm::with_factory();
    let request = OptimisticRequest {
        owner: NOBODY,
        ..optimistic("session-1")
    };
    let instruction = create_optimistic_session(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request).unwrap();
    svm.send(&[instruction], &[]).unwrap();
}

#[test]
fn a_session_is_either_optimistic_or_requested() {
    let mut svm = Svm::with_factory();
    requested(&mut svm, &request("session-1", &[]));
    let instruction =
        create_optimistic_session(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &optimistic("session-1")).unwrap();
    assert_eq!(
        svm.refusal(instruction, &[]),
        0,
        "the system program's: both have one entry"
    );
}
