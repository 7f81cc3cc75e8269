//! What the three instructions that request a session refuse.

use session_events::{
    factory::{
        SESSION_FACTORY_ID, SessionRequest, entry_address, request_session_creation, request_session_creation_cpi,
    },
    session::SESSION_PROGRAM_ID,
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction, InstructionError},
    pubkey::Pubkey,
    signature::Signer,
    transaction::TransactionError,
};

use crate::svm::{Svm, malformed};

const REQUESTER: usize = 0;
const STATE: usize = 1;
const ENTRY: usize = 2;
const SYSTEM_PROGRAM: usize = 3;
const EVENT_AUTHORITY: usize = 4;
const PROGRAM: usize = 5;

/// Where the session id's length stands: after discriminator, owner and evaluating program.
const SESSION_ID_LENGTH: usize = 8 + 32 + 32;

fn request() -> SessionRequest {
    SessionRequest {
        owner: Pubkey::new_from_array([7; 32]),
        eval_program: Pubkey::new_from_array([8; 32]),
        session_id: "session-1".to_owned(),
        namespaces: vec!["default".to_owned()],
        shard_address: SESSION_PROGRAM_ID,
    }
}

fn logged(svm: &Svm) -> Instruction {
    request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request()).unwrap()
}

fn called(svm: &Svm) -> Instruction {
    request_session_creation_cpi(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request()).unwrap()
}

fn optimistic(svm: &Svm) -> Instruction {
    session_tests::chain::optimistic_instruction(&svm.payer.pubkey(), &request())
}

/// The two that write.
fn recording(svm: &Svm) -> [Instruction; 2] {
    [logged(svm), called(svm)]
}

fn all(svm: &Svm) -> [Instruction; 3] {
    [logged(svm), called(svm), optimistic(svm)]
}

fn entry() -> Pubkey {
    entry_address(&SESSION_FACTORY_ID, &request().owner, &request().session_id)
        .unwrap()
        .0
}

#[test]
fn malformed_arguments_are_refused() {
    let mut svm = Svm::with_factory();
    for good in all(&svm) {
        let mut no_utf8 = good.clone();
        no_utf8.data[SESSION_ID_LENGTH + 4] = 0xff;
        let mut endless_id = good.clone();
        endless_id.data[SESSION_ID_LENGTH..SESSION_ID_LENGTH + 4].fill(0xff);
        let count = SESSION_ID_LENGTH + 4 + request().session_id.len();
        let mut endless_namespaces = good.clone();
        endless_namespaces.data[count..count + 4].fill(0xff);
        let mut namespace_no_utf8 = good.clone();
        namespace_no_utf8.data[count + 8] = 0xff;
        let spoilt = [no_utf8, endless_id, endless_namespaces, namespace_no_utf8];
        for instruction in malformed(&good).into_iter().chain(spoilt) {
            assert_eq!(svm.refusal(instruction, &[]), 6001);
        }
    }
    assert_eq!(svm.account(&entry()), None);
}

#[test]
fn missing_accounts_are_refused() {
    let mut svm = Svm::with_factory();
    for good in all(&svm) {
        for count in 0..good.accounts.len() {
            let mut instruction = good.clone();
            instruction.accounts.truncate(count);
            assert_eq!(svm.refusal(instruction, &[]), 6002);
        }
    }
}

#[test]
fn a_requester_who_did_not_sign_is_refused() {
    let mut svm = Svm::with_factory();
    let victim = svm.wallet(1_000_000_000);
    for mut instruction in all(&svm) {
        instruction.accounts[REQUESTER] = AccountMeta::new(victim.pubkey(), false);
        assert_eq!(svm.refusal(instruction, &[]), 6003);
    }
    assert_eq!(svm.lamports(&victim.pubkey()), 1_000_000_000);
}

#[test]
fn read_only_accounts_are_refused() {
    let mut svm = Svm::with_factory();
    let wallet = svm.wallet(1_000_000_000);
    for good in recording(&svm) {
        let mut instruction = good.clone();
        instruction.accounts[REQUESTER] = AccountMeta::new_readonly(wallet.pubkey(), true);
        assert_eq!(svm.refusal(instruction, &[&wallet]), 6004);
        for read_only in [STATE, ENTRY] {
            let mut instruction = good.clone();
            instruction.accounts[read_only].is_writable = false;
            assert_eq!(svm.refusal(instruction, &[]), 6004);
        }
    }
}

#[test]
fn another_program_in_the_place_of_the_system_program_is_refused() {
    let mut svm = Svm::with_factory();
    for mut instruction in recording(&svm) {
        instruction.accounts[SYSTEM_PROGRAM].pubkey = SESSION_PROGRAM_ID;
        assert_eq!(svm.refusal(instruction, &[]), 6005);
    }
}

#[test]
fn any_other_address_for_the_state_is_refused() {
    let mut svm = Svm::with_factory();
    for mut instruction in recording(&svm) {
        instruction.accounts[STATE].pubkey = entry();
        assert_eq!(svm.refusal(instruction, &[]), 6006);
    }
}

#[test]
fn a_factory_without_state_refuses() {
    let mut svm = Svm::new();
    for instruction in recording(&svm) {
        assert_eq!(svm.refusal(instruction, &[]), 6008);
    }
    // Lamports alone are no state.
    let lamports = svm.rent(1_000);
    svm.fund(&logged(&svm).accounts[STATE].pubkey, lamports);
    for instruction in recording(&svm) {
        assert_eq!(svm.refusal(instruction, &[]), 6008);
    }
}

#[test]
fn a_session_id_that_is_no_seed_is_refused() {
    let mut svm = Svm::with_factory();
    let too_long = SessionRequest {
        session_id: "x".repeat(33),
        ..request()
    };
    for mut instruction in all(&svm) {
        instruction.data.truncate(8);
        borsh::to_writer(&mut instruction.data, &too_long).unwrap();
        assert_eq!(svm.refusal(instruction, &[]), 6009);
    }
}

#[test]
fn any_other_address_for_the_entry_is_refused() {
    let mut svm = Svm::with_factory();
    let (other, _) = entry_address(&SESSION_FACTORY_ID, &request().owner, "session-2").unwrap();
    for good in recording(&svm) {
        for wrong in [other, Pubkey::new_unique()] {
            let mut instruction = good.clone();
            instruction.accounts[ENTRY].pubkey = wrong;
            assert_eq!(svm.refusal(instruction, &[]), 6010);
        }
    }
}

#[test]
fn a_second_request_for_a_session_is_refused_and_changes_nothing() {
    let mut svm = Svm::with_factory();
    let instruction = logged(&svm);
    svm.send(&[instruction], &[]).unwrap();
    let before = svm.account(&entry());
    for instruction in recording(&svm) {
        assert_eq!(svm.refusal(instruction, &[]), 6011);
    }
    let other_shard = SessionRequest {
        shard_address: Pubkey::new_unique(),
        ..request()
    };
    let instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &other_shard).unwrap();
    assert_eq!(svm.refusal(instruction, &[]), 6011);
    assert_eq!(svm.account(&entry()), before);
}

#[test]
fn a_wrong_event_authority_is_refused() {
    let mut svm = Svm::with_factory();
    let mut instruction = called(&svm);
    instruction.accounts[EVENT_AUTHORITY].pubkey = Pubkey::new_unique();
    assert_eq!(svm.refusal(instruction, &[]), 6015);
}

#[test]
fn another_program_in_the_place_of_the_factory_is_refused() {
    let mut svm = Svm::with_factory();
    let mut instruction = called(&svm);
    instruction.accounts[PROGRAM].pubkey = SESSION_PROGRAM_ID;
    assert_eq!(svm.refusal(instruction, &[]), 6016);
}

#[test]
fn a_requester_without_the_lamports_is_the_system_programs_refusal() {
    let mut svm = Svm::with_factory();
    let wallet = svm.wallet(svm.rent(0));
    let instruction = request_session_creation(&SESSION_FACTORY_ID, &wallet.pubkey(), &request()).unwrap();
    let refused = svm.send(&[instruction], &[&wallet]).unwrap_err();
    assert_eq!(
        refused,
        TransactionError::InstructionError(0, InstructionError::Custom(1))
    );
    assert_eq!(svm.account(&entry()), None);
}
