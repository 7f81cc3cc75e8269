//! `update_session_status` of the program `session_factory`.

use session_events::{
    SessionEntry, SessionFactoryState, SessionStatus,
    factory::{
        SESSION_FACTORY_ID, SessionRequest, entry_address, request_session_creation, state_address,
        update_session_status,
    },
    session::SESSION_PROGRAM_ID,
};
use solana_sdk::{
    account::Account,
    instruction::{AccountMeta, Instruction},
    pubkey::Pubkey,
    signature::Signer,
};

use crate::svm::{HOSTILE_ID, Svm, malformed, with_data};

const ENTRY: usize = 0;
const STATE: usize = 1;
const AUTHORITY: usize = 2;

const REQUESTED_AT: i64 = 1_700_000_000;

fn entry_of(session_id: &str) -> Pubkey {
    entry_address(&SESSION_FACTORY_ID, &Pubkey::new_from_array([7; 32]), session_id)
        .unwrap()
        .0
}

/// A chain on which the session was requested.
fn svm_with_request() -> Svm {
    let mut svm = Svm::with_factory();
    svm.set_clock(1, REQUESTED_AT);
    let request = SessionRequest {
        owner: Pubkey::new_from_array([7; 32]),
        eval_program: Pubkey::new_from_array([8; 32]),
        session_id: "session-1".to_owned(),
        namespaces: vec!["default".to_owned(), "größe".to_owned()],
        shard_address: SESSION_PROGRAM_ID,
    };
    let instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &request).unwrap();
    svm.send(&[instruction], &[]).unwrap();
    svm
}

fn update(svm: &Svm, status: SessionStatus) -> Instruction {
    update_session_status(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &entry_of("session-1"), status).unwrap()
}

fn entry(svm: &Svm) -> SessionEntry {
    SessionEntry::decode(&svm.account(&entry_of("session-1")).unwrap().data).unwrap()
}

fn active_sessions(svm: &Svm) -> u64 {
    let account = svm.account(&state_address(&SESSION_FACTORY_ID).unwrap().0).unwrap();
    SessionFactoryState::decode(&account.data).unwrap().active_sessions
}

#[test]
fn every_status_in_any_order_and_nothing_else_changes() {
    use SessionStatus::{Active, Closed, Created, Requested};
    let mut svm = svm_with_request();
    let mut expected = entry(&svm);
    let life = [
        (Created, 0),
        (Active, 1),
        (Active, 1),
        (Closed, 0),
        (Active, 1),
        (Requested, 0),
        (Closed, 0),
    ];
    for (now, (status, active)) in (REQUESTED_AT + 1..).zip(life) {
        svm.set_clock(2, now);
        let instruction = update(&svm, status);
        svm.send(&[instruction], &[]).unwrap();
        expected.status = status;
        expected.last_updated = now;
        if status == Active {
            expected.activated_at.get_or_insert(now);
        }
        assert_eq!(entry(&svm), expected);
        assert_eq!(active_sessions(&svm), active);
    }
    assert_eq!(expected.activated_at, Some(REQUESTED_AT + 2));
}

#[test]
fn an_activated_entry_fills_its_account() {
    let mut svm = svm_with_request();
    let instruction = update(&svm, SessionStatus::Active);
    svm.send(&[instruction], &[]).unwrap();
    let mut expected = SessionEntry::DISCRIMINATOR.to_vec();
    borsh::to_writer(&mut expected, &entry(&svm)).unwrap();
    assert_eq!(svm.account(&entry_of("session-1")).unwrap().data, expected);
}

#[test]
fn malformed_arguments_are_refused() {
    let mut svm = svm_with_request();
    let good = update(&svm, SessionStatus::Created);
    let unknown_status = with_data(&good, &[&good.data[..8], &[4]].concat());
    for instruction in malformed(&good).into_iter().chain([unknown_status]) {
        assert_eq!(svm.refusal(instruction, &[]), 6001);
    }
}

#[test]
fn missing_accounts_are_refused() {
    let mut svm = svm_with_request();
    for count in 0..=AUTHORITY {
        let mut instruction = update(&svm, SessionStatus::Created);
        instruction.accounts.truncate(count);
        assert_eq!(svm.refusal(instruction, &[]), 6002);
    }
}

#[test]
fn an_authority_who_did_not_sign_is_refused() {
    let mut svm = svm_with_request();
    let wallet = svm.wallet(1_000_000_000);
    // The transaction's fee is paid by somebody else than the authority.
    let authority = std::mem::replace(&mut svm.payer, wallet).pubkey();
    let mut instruction = update(&svm, SessionStatus::Created);
    instruction.accounts[AUTHORITY] = AccountMeta::new_readonly(authority, false);
    assert_eq!(svm.refusal(instruction, &[]), 6003);
    assert_eq!(entry(&svm).status, SessionStatus::Requested);
}

#[test]
fn read_only_accounts_are_refused() {
    let mut svm = svm_with_request();
    for read_only in [ENTRY, STATE] {
        let mut instruction = update(&svm, SessionStatus::Created);
        instruction.accounts[read_only].is_writable = false;
        assert_eq!(svm.refusal(instruction, &[]), 6004);
    }
}

#[test]
fn any_other_address_for_the_state_is_refused() {
    let mut svm = svm_with_request();
    let mut instruction = update(&svm, SessionStatus::Created);
    instruction.accounts[STATE].pubkey = entry_of("session-1");
    assert_eq!(svm.refusal(instruction, &[]), 6006);
}

#[test]
fn a_factory_without_state_refuses() {
    let mut svm = Svm::new();
    let instruction = update(&svm, SessionStatus::Created);
    assert_eq!(svm.refusal(instruction, &[]), 6008);
}

#[test]
fn accounts_that_are_no_entry_are_refused() {
    let mut svm = svm_with_request();
    let lamports = svm.rent(0);
    svm.fund(&entry_of("never requested"), lamports);
    let state = state_address(&SESSION_FACTORY_ID).unwrap().0;
    for wrong in [entry_of("never requested"), entry_of("never touched"), state] {
        let mut instruction = update(&svm, SessionStatus::Created);
        instruction.accounts[ENTRY].pubkey = wrong;
        assert_eq!(svm.refusal(instruction, &[]), 6012);
    }
}

#[test]
fn a_perfect_copy_of_an_entry_under_another_program_is_refused() {
    let mut svm = svm_with_request();
    let copy = Account {
        owner: HOSTILE_ID,
        ..svm.account(&entry_of("session-1")).unwrap()
    };
    let address = Pubkey::new_unique();
    svm.chain.set_account(address, copy).unwrap();
    let mut instruction = update(&svm, SessionStatus::Created);
    instruction.accounts[ENTRY].pubkey = address;
    assert_eq!(svm.refusal(instruction, &[]), 6012);
}

#[test]
fn anybody_but_the_authority_is_refused() {
    let mut svm = svm_with_request();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = update(&svm, SessionStatus::Active);
    instruction.accounts[AUTHORITY].pubkey = wallet.pubkey();
    assert_eq!(svm.refusal(instruction, &[&wallet]), 6013);
    assert_eq!(entry(&svm).status, SessionStatus::Requested);
}
