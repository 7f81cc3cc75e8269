//! `initialize` of the program `session_factory`, and what it makes of unknown instructions.

use session_events::{
    SessionFactoryState,
    factory::{EVENT_INSTRUCTION, INITIALIZE, SESSION_FACTORY_ID, initialize, state_address},
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction, InstructionError},
    pubkey::Pubkey,
    signature::Signer,
};

use crate::{
    sessions::{state, state_of_factory},
    svm::{HOSTILE_ID, Svm, with_data},
};

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
    assert_eq!(state(svm), expected);
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
    svm.fund(&state_of_factory(), sent);
    let instruction = initialization(&svm);
    svm.send(&[instruction], &[]).unwrap();
    assert_new_state(&svm, svm.rent(STATE_SIZE));
}

#[test]
fn bytes_after_the_arguments_are_left_alone() {
    let mut svm = Svm::new();
    let mut instruction = initialization(&svm);
    instruction.data.push(0);
    svm.send(&[instruction], &[]).unwrap();
    assert_new_state(&svm, svm.rent(STATE_SIZE));
}

#[test]
fn unknown_instructions_are_refused() {
    let mut svm = Svm::new();
    let known = initialization(&svm);
    for data in [&[][..], &INITIALIZE[..7], &[0; 8], &[0xff; 64]] {
        assert_eq!(svm.refusal(with_data(&known, data), &[]), 101);
    }
    assert_eq!(svm.refusal(with_data(&known, &EVENT_INSTRUCTION), &[]), 1_500);
}

#[test]
fn accounts_are_looked_at_in_order() {
    let mut svm = Svm::new();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = initialize(&SESSION_FACTORY_ID, &wallet.pubkey()).unwrap();
    // From the last check to the first, each flaw beside those after it.
    instruction.accounts[STATE].pubkey = Pubkey::new_unique();
    assert_eq!(svm.refusal(instruction.clone(), &[&wallet]), 2_006);
    instruction.accounts[SYSTEM_PROGRAM].pubkey = HOSTILE_ID;
    assert_eq!(svm.refusal(instruction.clone(), &[&wallet]), 3_008);
    instruction.accounts[AUTHORITY].is_signer = false;
    assert_eq!(svm.refusal(instruction.clone(), &[]), 3_010);
    for count in 0..=AUTHORITY {
        instruction.accounts.truncate(AUTHORITY - count);
        assert_eq!(svm.refusal(instruction.clone(), &[]), 3_005);
    }
    let mut without_system_program = initialization(&svm);
    without_system_program.accounts.pop();
    assert_eq!(svm.refusal(without_system_program, &[]), 3_005);
}

#[test]
fn read_only_accounts_are_the_runtimes_refusal() {
    let mut svm = Svm::new();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = initialization(&svm);
    instruction.accounts[AUTHORITY] = AccountMeta::new_readonly(wallet.pubkey(), true);
    assert_eq!(
        svm.error(instruction, &[&wallet]),
        InstructionError::PrivilegeEscalation
    );

    let mut instruction = initialization(&svm);
    instruction.accounts[STATE].is_writable = false;
    assert_eq!(svm.error(instruction, &[]), InstructionError::PrivilegeEscalation);
}

#[test]
fn a_second_initialisation_is_refused_whoever_asks() {
    let mut svm = Svm::with_factory();
    assert_eq!(svm.refusal(initialization(&svm), &[]), 0, "the system program's");
    let wallet = svm.wallet(1_000_000_000);
    let instruction = initialize(&SESSION_FACTORY_ID, &wallet.pubkey()).unwrap();
    assert_eq!(svm.refusal(instruction, &[&wallet]), 0);
    assert_new_state(&svm, svm.rent(STATE_SIZE));
}
