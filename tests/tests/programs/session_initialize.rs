//! `initialize_session` of the program `session`.

use session_events::session::{
    AccountRequest, SESSION_PROGRAM_ID, SESSION_STATE, SessionAccount, SessionInitialization, SessionMetadata,
    create_session_account, initialize_session,
};
use session_events::{factory::session_size, session_address};
use solana_sdk::{
    instruction::{AccountMeta, Instruction},
    pubkey::Pubkey,
    signature::{Keypair, Signer},
};

use crate::svm::{NOW, Svm, data_lines, malformed};

const SESSION: usize = 0;
const OWNER: usize = 1;

/// `sha256("event:SessionInitializedEvent")[..8]`
const SESSION_INITIALIZED: [u8; 8] = [227, 109, 119, 74, 107, 90, 17, 107];

fn initialization(owner: &Keypair) -> SessionInitialization {
    SessionInitialization {
        owner: owner.pubkey(),
        eval_program: Pubkey::new_from_array([8; 32]),
        session_id: "session-1".to_owned(),
        namespaces: vec!["default".to_owned(), "größe".to_owned()],
    }
}

fn initialize(owner: &Keypair) -> Instruction {
    initialize_session(&SESSION_PROGRAM_ID, &initialization(owner)).unwrap()
}

/// Bytes of what is written: 122 and the texts.
fn written(owner: &Keypair) -> u64 {
    let initialization = initialization(owner);
    let namespaces = initialization.namespaces.iter().map(|name| 4 + name.len() as u64);
    122 + initialization.session_id.len() as u64 + namespaces.sum::<u64>()
}

/// A chain on which the session's account exists, and the session's owner.
fn svm_with_session(size: Option<u64>) -> (Svm, Keypair) {
    let mut svm = Svm::new();
    let owner = svm.wallet(1_000_000_000);
    let asked = initialization(&owner);
    let request = AccountRequest {
        owner: owner.pubkey(),
        size: size.unwrap_or_else(|| session_size(&asked.session_id, &asked.namespaces)),
        session_id: asked.session_id,
    };
    let instruction = create_session_account(&SESSION_PROGRAM_ID, &svm.payer.pubkey(), &request).unwrap();
    svm.send(&[instruction], &[]).unwrap();
    (svm, owner)
}

#[test]
fn upstreams_layout_is_written_and_the_rest_stays_zero() {
    let (mut svm, owner) = svm_with_session(None);
    let sent = svm.send(&[initialize(&owner)], &[&owner]).unwrap();
    let asked = initialization(&owner);
    let (address, bump) = session_address(&SESSION_PROGRAM_ID, &owner.pubkey(), "session-1").unwrap();
    let account = SessionAccount {
        owner: owner.pubkey(),
        eval_program: asked.eval_program,
        session_id: asked.session_id.clone(),
        namespaces: asked.namespaces,
        is_active: true,
        metadata: SessionMetadata::default(),
        total_executions: 0,
        created_at: NOW,
        last_activity: NOW,
        bump,
    };
    let mut expected = SESSION_STATE.to_vec();
    borsh::to_writer(&mut expected, &account).unwrap();
    assert_eq!(expected.len() as u64, written(&owner));
    let found = svm.account(&address).unwrap();
    expected.resize(found.data.len(), 0);
    assert_eq!(found.data, expected);
    assert_eq!(found.owner, SESSION_PROGRAM_ID);

    let mut event = SESSION_INITIALIZED.to_vec();
    borsh::to_writer(
        &mut event,
        &(asked.session_id, owner.pubkey(), asked.eval_program, 2_u8, NOW),
    )
    .unwrap();
    assert_eq!(data_lines(&sent.logs), [event]);
}

#[test]
fn malformed_arguments_are_refused() {
    let (mut svm, owner) = svm_with_session(None);
    for instruction in malformed(&initialize(&owner)) {
        assert_eq!(svm.refusal(instruction, &[&owner]), 6_001);
    }
}

#[test]
fn missing_accounts_are_refused() {
    let (mut svm, owner) = svm_with_session(None);
    for count in 0..=OWNER {
        let mut instruction = initialize(&owner);
        instruction.accounts.truncate(count);
        assert_eq!(svm.refusal(instruction, &[]), 6_002);
    }
}

#[test]
fn a_read_only_session_is_refused() {
    let (mut svm, owner) = svm_with_session(None);
    let mut instruction = initialize(&owner);
    instruction.accounts[SESSION].is_writable = false;
    assert_eq!(svm.refusal(instruction, &[&owner]), 6_005);
}

#[test]
fn only_the_owner_says_what_evaluates_a_session() {
    let (mut svm, owner) = svm_with_session(None);
    let mut unsigned = initialize(&owner);
    unsigned.accounts[OWNER].is_signer = false;
    assert_eq!(svm.refusal(unsigned, &[]), 6_015);
    let stranger = svm.wallet(1_000_000_000);
    let mut foreign = initialize(&owner);
    foreign.accounts[OWNER] = AccountMeta::new_readonly(stranger.pubkey(), true);
    assert_eq!(svm.refusal(foreign, &[&stranger]), 6_016);
}

#[test]
fn a_session_that_nothing_evaluates_is_refused() {
    let (mut svm, owner) = svm_with_session(None);
    let nothing = SessionInitialization {
        eval_program: Pubkey::default(),
        ..initialization(&owner)
    };
    let instruction = initialize_session(&SESSION_PROGRAM_ID, &nothing).unwrap();
    assert_eq!(svm.refusal(instruction, &[&owner]), 6_018);
}

#[test]
fn a_session_id_that_is_no_seed_is_refused() {
    let (mut svm, owner) = svm_with_session(None);
    let mut instruction = initialize(&owner);
    let too_long = SessionInitialization {
        session_id: "x".repeat(33),
        ..initialization(&owner)
    };
    instruction.data.truncate(8);
    borsh::to_writer(&mut instruction.data, &too_long).unwrap();
    assert_eq!(svm.refusal(instruction, &[&owner]), 6_007);
}

#[test]
fn the_account_of_another_session_is_refused() {
    let (mut svm, owner) = svm_with_session(None);
    let other = SessionInitialization {
        session_id: "session-2".to_owned(),
        ..initialization(&owner)
    };
    let mut instruction = initialize_session(&SESSION_PROGRAM_ID, &other).unwrap();
    instruction.accounts = initialize(&owner).accounts;
    assert_eq!(svm.refusal(instruction, &[&owner]), 6_008);
}

#[test]
fn a_session_that_was_not_created_is_refused() {
    let mut svm = Svm::new();
    let owner = svm.wallet(1_000_000_000);
    assert_eq!(svm.refusal(initialize(&owner), &[&owner]), 6_011);
    let lamports = svm.rent(0);
    svm.fund(&initialize(&owner).accounts[SESSION].pubkey, lamports);
    assert_eq!(svm.refusal(initialize(&owner), &[&owner]), 6_011);
}

#[test]
fn an_account_that_cannot_hold_the_layout_is_refused() {
    let size = written(&Keypair::new());
    let (mut svm, owner) = svm_with_session(Some(size - 1));
    assert_eq!(svm.refusal(initialize(&owner), &[&owner]), 6_012);
    let (mut svm, owner) = svm_with_session(Some(size));
    svm.send(&[initialize(&owner)], &[&owner]).unwrap();
}

#[test]
fn a_second_initialisation_is_refused() {
    let (mut svm, owner) = svm_with_session(None);
    svm.send(&[initialize(&owner)], &[&owner]).unwrap();
    assert_eq!(svm.refusal(initialize(&owner), &[&owner]), 6_013);
}
