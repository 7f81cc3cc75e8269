//! `initialize` of the program `session_factory`.

use session_events::{
    SessionFactoryState,
    factory::{SESSION_FACTORY_ID, initialize, state_address},
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction},
    pubkey::Pubkey,
    signature::Signer,
};

use crate::svm::{Svm, with_data};

const STATE: usize = 0;
const AUTHORITY: usize = 1;
const SYSTEM_PROGRAM: usize = 2;

/// Discriminator and the IDL's `SessionFactoryState`.
const STATE_SIZE: usize = 8 + 32 + 8 + 8 + 1 + 1 + 32;

fn initialization(svm: &Svm) -> Instruction {
    initialize(&SESSION_FACTORY_ID, &svm.payer.pubkey()).unwrap()
}

fn assert_new_state(svm: &Svm, lamports: u64) {
    let (address, bump) = state_address(&SESSION_FACTORY_ID).unwrap();
    let account = svm.account(&address).unwrap();
    assert_eq!(account.owner, SESSION_FACTORY_ID);
    assert_eq!(account.data.len(), STATE_SIZE);
    assert_eq!(account.lamports, lamports);
    let expected = SessionFactoryState {
        authority: svm.payer.pubkey(),
        total_sessions: 0,
        active_sessions: 0,
        version: 1,
        bump,
        reserved: [0; 32],
    };
    assert_eq!(SessionFactoryState::decode(&account.data), Ok(expected));
}

#[test]
fn the_signer_becomes_the_authority() {
    let svm = Svm::with_factory();
    assert_new_state(&svm, svm.rent(STATE_SIZE));
}

#[test]
fn lamports_sent_beforehand_are_topped_up() {
    let mut svm = Svm::new();
    let sent = svm.rent(0);
    svm.fund(&state_address(&SESSION_FACTORY_ID).unwrap().0, sent);
    let instruction = initialization(&svm);
    svm.send(&[instruction], &[]).unwrap();
    assert_new_state(&svm, svm.rent(STATE_SIZE));
}

#[test]
fn unknown_instructions_are_refused() {
    let mut svm = Svm::new();
    let known = initialization(&svm);
    for data in [&[][..], &known.data[..7], &[0; 8], &[0xff; 64]] {
        assert_eq!(svm.refusal(with_data(&known, data), &[]), 6000);
    }
}

#[test]
fn arguments_are_refused() {
    let mut svm = Svm::new();
    let mut instruction = initialization(&svm);
    instruction.data.push(0);
    assert_eq!(svm.refusal(instruction, &[]), 6001);
}

#[test]
fn missing_accounts_are_refused() {
    let mut svm = Svm::new();
    for count in 0..=SYSTEM_PROGRAM {
        let mut instruction = initialization(&svm);
        instruction.accounts.truncate(count);
        assert_eq!(svm.refusal(instruction, &[]), 6002);
    }
}

#[test]
fn an_authority_who_did_not_sign_is_refused() {
    let mut svm = Svm::new();
    let mut instruction = initialization(&svm);
    instruction.accounts[AUTHORITY] = AccountMeta::new(Pubkey::new_unique(), false);
    assert_eq!(svm.refusal(instruction, &[]), 6003);
}

#[test]
fn read_only_accounts_are_refused() {
    let mut svm = Svm::new();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = initialization(&svm);
    instruction.accounts[AUTHORITY] = AccountMeta::new_readonly(wallet.pubkey(), true);
    assert_eq!(svm.refusal(instruction, &[&wallet]), 6004);

    let mut instruction = initialization(&svm);
    instruction.accounts[STATE].is_writable = false;
    assert_eq!(svm.refusal(instruction, &[]), 6004);
}

#[test]
fn another_program_in_the_place_of_the_system_program_is_refused() {
    let mut svm = Svm::new();
    let mut instruction = initialization(&svm);
    instruction.accounts[SYSTEM_PROGRAM].pubkey = SESSION_FACTORY_ID;
    assert_eq!(svm.refusal(instruction, &[]), 6005);
}

#[test]
fn any_other_address_for_the_state_is_refused() {
    let mut svm = Svm::new();
    let mut instruction = initialization(&svm);
    instruction.accounts[STATE].pubkey = Pubkey::new_unique();
    assert_eq!(svm.refusal(instruction, &[]), 6006);
}

#[test]
fn a_second_initialisation_is_refused_whoever_asks() {
    let mut svm = Svm::with_factory();
    assert_eq!(svm.refusal(initialization(&svm), &[]), 6007);
    let wallet = svm.wallet(1_000_000_000);
    let instruction = initialize(&SESSION_FACTORY_ID, &wallet.pubkey()).unwrap();
    assert_eq!(svm.refusal(instruction, &[&wallet]), 6007);
    assert_new_state(&svm, svm.rent(STATE_SIZE));
}
