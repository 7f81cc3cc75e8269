//! `close_session` of the program `session`: the owner gets the rent that somebody else has paid.

use session_events::session::{
    AccountRequest, SESSION_PROGRAM_ID, SessionInitialization, close_session, create_session_account,
    initialize_session,
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction, InstructionError},
    pubkey::Pubkey,
    signature::{Keypair, Signer},
};

use crate::svm::{HOSTILE_ID, NOW, Svm, data_lines, with_data};

const SESSION: usize = 0;
const OWNER: usize = 1;

/// `sha256("event:SessionClosedEvent")[..8]`
const SESSION_CLOSED: [u8; 8] = [120, 181, 157, 20, 60, 253, 37, 3];

fn create(svm: &mut Svm, owner: &Keypair) {
    let request = AccountRequest {
        owner: owner.pubkey(),
        session_id: "session-1".to_owned(),
        size: 184,
    };
    let instruction = create_session_account(&SESSION_PROGRAM_ID, &svm.payer.pubkey(), &request).unwrap();
    svm.send(&[instruction], &[]).unwrap();
}

fn initialize(svm: &mut Svm, owner: &Keypair) {
    let initialization = SessionInitialization {
        owner: owner.pubkey(),
        eval_program: Pubkey::new_from_array([8; 32]),
        session_id: "session-1".to_owned(),
        namespaces: vec!["default".to_owned()],
    };
    let instruction = initialize_session(&SESSION_PROGRAM_ID, &initialization).unwrap();
    svm.send(&[instruction], &[owner]).unwrap();
}

fn close(owner: &Keypair) -> Instruction {
    close_session(&SESSION_PROGRAM_ID, &owner.pubkey(), "session-1").unwrap()
}

/// A chain with an initialised session, and its owner.
fn svm_with_session() -> (Svm, Keypair) {
    let mut svm = Svm::new();
    let owner = svm.wallet(1_000_000_000);
    create(&mut svm, &owner);
    initialize(&mut svm, &owner);
    (svm, owner)
}

#[test]
fn the_rent_goes_to_the_owner_and_nothing_is_left() {
    let (mut svm, owner) = svm_with_session();
    let address = close(&owner).accounts[SESSION].pubkey;
    let rent = svm.lamports(&address);
    let before = svm.lamports(&owner.pubkey());
    let sent = svm.send(&[close(&owner)], &[&owner]).unwrap();
    assert_eq!(svm.lamports(&owner.pubkey()), before + rent, "whoever has paid it");
    assert!(
        svm.account(&address).is_none_or(|account| account.lamports == 0
            && account.data.is_empty()
            && account.owner == Pubkey::default())
    );
    let mut event = SESSION_CLOSED.to_vec();
    borsh::to_writer(&mut event, &("session-1", owner.pubkey(), NOW)).unwrap();
    assert_eq!(data_lines(&sent.logs), [event]);
}

#[test]
fn a_closed_session_can_be_created_again_at_the_payers_cost() {
    let (mut svm, owner) = svm_with_session();
    let mut gained = 0;
    for _ in 0..3 {
        let before = svm.lamports(&owner.pubkey());
        svm.send(&[close(&owner)], &[&owner]).unwrap();
        gained += svm.lamports(&owner.pubkey()) - before;
        create(&mut svm, &owner);
        initialize(&mut svm, &owner);
    }
    assert_eq!(gained, 3 * svm.rent(184));
}

#[test]
fn it_is_checked_in_order() {
    let (mut svm, owner) = svm_with_session();
    let stranger = svm.wallet(1_000_000_000);
    let mut instruction = close(&owner);
    // From the last check to the first, each flaw beside those after it.
    instruction.accounts[OWNER] = AccountMeta::new(stranger.pubkey(), true);
    assert_eq!(svm.refusal(instruction.clone(), &[&stranger]), 6_016);
    let zeroed = svm.account(&instruction.accounts[SESSION].pubkey).map(|mut account| {
        account.data.fill(0);
        account
    });
    let other = Pubkey::new_unique();
    svm.chain.set_account(other, zeroed.clone().unwrap()).unwrap();
    instruction.accounts[SESSION].pubkey = other;
    assert_eq!(
        svm.refusal(instruction.clone(), &[&stranger]),
        6_019,
        "a session is closed once it has begun"
    );
    let foreign = Pubkey::new_unique();
    let account = solana_sdk::account::Account {
        owner: HOSTILE_ID,
        ..zeroed.unwrap()
    };
    svm.chain.set_account(foreign, account).unwrap();
    instruction.accounts[SESSION].pubkey = foreign;
    assert_eq!(svm.refusal(instruction.clone(), &[&stranger]), 6_011);
    instruction.accounts[OWNER].is_writable = false;
    assert_eq!(svm.refusal(instruction.clone(), &[&stranger]), 6_017);
    instruction.accounts[OWNER].is_signer = false;
    assert_eq!(svm.refusal(instruction.clone(), &[]), 6_015);
    instruction.accounts[SESSION].is_writable = false;
    assert_eq!(svm.refusal(instruction.clone(), &[]), 6_005);
    for count in [1, 0] {
        instruction.accounts.truncate(count);
        assert_eq!(svm.refusal(instruction.clone(), &[]), 6_002);
    }
    let longer = with_data(&instruction, &[instruction.data.as_slice(), &[0]].concat());
    assert_eq!(svm.refusal(longer, &[]), 6_001);
    assert_eq!(svm.lamports(&stranger.pubkey()), 1_000_000_000);
}

#[test]
fn a_second_close_finds_nothing() {
    let (mut svm, owner) = svm_with_session();
    svm.send(&[close(&owner)], &[&owner]).unwrap();
    assert_eq!(svm.error(close(&owner), &[&owner]), InstructionError::Custom(6_011));
}
