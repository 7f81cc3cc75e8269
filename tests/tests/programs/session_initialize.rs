//! `initialize_session` of the program `session`.

use session_events::session::{
    AccountRequest, SESSION_ACCOUNT, SESSION_PROGRAM_ID, create_session_account, initialize_session,
};
use solana_sdk::{instruction::Instruction, pubkey::Pubkey, signature::Signer};

use crate::svm::{Svm, malformed};

const OWNER: Pubkey = Pubkey::new_from_array([7; 32]);
const SESSION_ID: &str = "session-1";

/// Discriminator, owner, and the session id as Borsh.
const HEAD: u64 = 8 + 32 + 4 + 9;

fn initialize() -> Instruction {
    initialize_session(&SESSION_PROGRAM_ID, &OWNER, SESSION_ID).unwrap()
}

/// A chain on which the session's account exists.
fn svm_with_session(size: u64) -> Svm {
    let mut svm = Svm::new();
    let request = AccountRequest {
        owner: OWNER,
        session_id: SESSION_ID.to_owned(),
        size,
    };
    let instruction = create_session_account(&SESSION_PROGRAM_ID, &svm.payer.pubkey(), &request).unwrap();
    svm.send(&[instruction], &[]).unwrap();
    svm
}

#[test]
fn the_head_is_written_and_the_rest_stays_zero() {
    for spare in [0, 100] {
        let mut svm = svm_with_session(HEAD + spare);
        svm.send(&[initialize()], &[]).unwrap();
        let mut expected = SESSION_ACCOUNT.to_vec();
        borsh::to_writer(&mut expected, &(OWNER, SESSION_ID)).unwrap();
        expected.resize(usize::try_from(HEAD + spare).unwrap(), 0);
        let account = svm.account(&initialize().accounts[0].pubkey).unwrap();
        assert_eq!(account.data, expected);
        assert_eq!(account.owner, SESSION_PROGRAM_ID);
    }
}

#[test]
fn malformed_arguments_are_refused() {
    let mut svm = svm_with_session(HEAD);
    for instruction in malformed(&initialize()) {
        assert_eq!(svm.refusal(instruction, &[]), 6001);
    }
}

#[test]
fn a_missing_account_is_refused() {
    let mut svm = svm_with_session(HEAD);
    assert_eq!(
        svm.refusal(
            Instruction {
                accounts: Vec::new(),
                ..initialize()
            },
            &[]
        ),
        6002
    );
}

#[test]
fn a_read_only_session_is_refused() {
    let mut svm = svm_with_session(HEAD);
    let mut instruction = initialize();
    instruction.accounts[0].is_writable = false;
    assert_eq!(svm.refusal(instruction, &[]), 6005);
}

#[test]
fn a_session_id_that_is_no_seed_is_refused() {
    let mut svm = svm_with_session(HEAD);
    let mut instruction = initialize();
    instruction.data.truncate(8);
    borsh::to_writer(&mut instruction.data, &(OWNER, "x".repeat(33))).unwrap();
    assert_eq!(svm.refusal(instruction, &[]), 6007);
}

#[test]
fn the_account_of_another_session_is_refused() {
    let mut svm = svm_with_session(HEAD);
    let mut instruction = initialize_session(&SESSION_PROGRAM_ID, &OWNER, "session-2").unwrap();
    instruction.accounts = initialize().accounts;
    assert_eq!(svm.refusal(instruction, &[]), 6008);
}

#[test]
fn a_session_that_was_not_created_is_refused() {
    let mut svm = Svm::new();
    assert_eq!(svm.refusal(initialize(), &[]), 6011);
    let lamports = svm.rent(0);
    svm.fund(&initialize().accounts[0].pubkey, lamports);
    assert_eq!(svm.refusal(initialize(), &[]), 6011);
}

#[test]
fn an_account_that_cannot_hold_the_head_is_refused() {
    let mut svm = svm_with_session(HEAD - 1);
    assert_eq!(svm.refusal(initialize(), &[]), 6012);
}

#[test]
fn a_second_initialisation_is_refused() {
    let mut svm = svm_with_session(HEAD);
    svm.send(&[initialize()], &[]).unwrap();
    assert_eq!(svm.refusal(initialize(), &[]), 6013);
}
