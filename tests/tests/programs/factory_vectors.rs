//! Instruction data and entries as Anchor made them from upstream's own structs, given to the program.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use session_events::{
    SessionEntry, SessionStatus,
    factory::{
        Arguments as _, OptimisticRequest, SESSION_FACTORY_ID, SessionRequest, StatusUpdate, create_optimistic_session,
        entry_address, request_session_creation, update_session_status,
    },
};
use solana_sdk::{instruction::Instruction, signature::Signer};

use crate::{
    sessions::{entry, request, requested},
    svm::{NOW, Svm, with_data},
};

/// The data of every instruction with this name.
fn data_of(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/events/tests/vectors/upstream.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let data = vectors["instructions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["instruction"] == name);
    let data: Vec<_> = data
        .map(|vector| BASE64_STANDARD.decode(vector["data"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(data.len(), 20, "{name}");
    data
}

/// What becomes of a request with these bytes, by upstream's rules: an error's code, or nothing.
fn verdict_on(request: &SessionRequest) -> Option<u32> {
    let nobody = solana_sdk::pubkey::Pubkey::default();
    match request {
        request if request.session_id.len() > 32 => Some(6_002),
        request if request.owner == nobody => Some(6_000),
        request if request.eval_program == nobody => Some(6_001),
        request if request.shard_address == nobody => Some(6_004),
        request if request.session_id.is_empty() => Some(6_002),
        request if request.namespaces.len() > 10 => Some(6_003),
        _ => None,
    }
}

fn outcome(svm: &mut Svm, instruction: Instruction) -> Option<u32> {
    use solana_sdk::{instruction::InstructionError, transaction::TransactionError};
    match svm.send(&[instruction], &[]) {
        Ok(_) => None,
        Err(TransactionError::InstructionError(0, InstructionError::Custom(code))) => Some(code),
        Err(other) => panic!("{other}"),
    }
}

/// The instruction of the same session with an id that can have an address, for its accounts.
fn accounts_of(svm: &Svm, request: &SessionRequest) -> Instruction {
    let mut addressable = request.clone();
    if addressable.session_id.len() > 32 {
        addressable.session_id.clear();
    }
    request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &addressable).unwrap()
}

#[test]
fn requests_as_upstream_encodes_them_are_taken_or_refused_by_its_rules() {
    let mut served = 0;
    for data in data_of("request_session_creation") {
        let mut svm = Svm::with_factory();
        let request = SessionRequest::from_data(&data).unwrap().unwrap();
        let instruction = with_data(&accounts_of(&svm, &request), &data);
        let verdict = verdict_on(&request);
        assert_eq!(outcome(&mut svm, instruction), verdict, "{request:?}");
        if verdict.is_none() {
            let (address, _) = entry_address(&SESSION_FACTORY_ID, &request.owner, &request.session_id).unwrap();
            let written = entry(&svm, &address);
            assert_eq!(SessionRequest::from(written.clone()), request);
            // What the program writes is what upstream's own struct would be written as.
            let mut bytes = SessionEntry::DISCRIMINATOR.to_vec();
            borsh::to_writer(&mut bytes, &written).unwrap();
            assert!(svm.account(&address).unwrap().data.starts_with(&bytes));
            served += 1;
        }

        // The same arguments with an id that can be served.
        let mut valid = request.clone();
        valid.session_id = "valid".to_owned();
        valid.namespaces.truncate(10);
        if verdict_on(&valid).is_none() {
            requested(&mut svm, &valid);
            served += 1;
        }
    }
    assert!(served >= 15, "only {served} requests could be served at all");
}

#[test]
fn optimistic_sessions_as_upstream_encodes_them_are_taken() {
    let mut taken = 0;
    for data in data_of("create_optimistic_session") {
        let mut svm = Svm::with_factory();
        let request = OptimisticRequest::from_data(&data).unwrap().unwrap();
        let mut addressable = request.clone();
        if addressable.session_id.len() > 32 {
            addressable.session_id.clear();
        }
        let good = create_optimistic_session(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &addressable).unwrap();
        let id = request.session_id.len();
        let verdict = (id == 0 || id > 32).then_some(6_002);
        assert_eq!(outcome(&mut svm, with_data(&good, &data)), verdict, "{request:?}");
        taken += u32::from(verdict.is_none());
    }
    assert!(taken > 0);
}

#[test]
fn statuses_as_upstream_encodes_them_are_set() {
    let mut svm = Svm::with_factory();
    let address = requested(&mut svm, &request("session-1", &[]));
    for data in data_of("update_session_status") {
        let StatusUpdate { new_status } = StatusUpdate::from_data(&data).unwrap().unwrap();
        let payer = svm.payer.pubkey();
        let good = update_session_status(&SESSION_FACTORY_ID, &payer, &address, SessionStatus::Requested).unwrap();
        svm.send(&[with_data(&good, &data)], &[]).unwrap();
        assert_eq!(entry(&svm, &address).status, new_status);
        assert_eq!(entry(&svm, &address).last_updated, NOW);
    }
}
