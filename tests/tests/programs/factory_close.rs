//! `close_session` of the program `session_factory`: the entry is gone as Anchor's `close` has it.

use session_events::{
    SessionStatus,
    factory::{CLOSE_SESSION, SESSION_FACTORY_ID, close_session, update_session_status},
};
use solana_sdk::{
    pubkey::Pubkey,
    signature::{Keypair, Signer},
};

use crate::{
    attempt::{Attempt, Flaw, assert_order, wallet},
    flaws::{cut, elsewhere, foreign, missing, other_kind, read_only, seven_bytes, undecodable, unsigned},
    sessions::{entry, request_of, requested, state},
    svm::{NOW, Svm, data_lines},
};

const ENTRY: usize = 0;
const STATE: usize = 1;
const AUTHORITY: usize = 2;
const RECEIVER: usize = 3;

/// A session of `owner`'s, and its entry's address.
fn session_of(svm: &mut Svm, owner: &Keypair) -> Pubkey {
    requested(svm, &request_of(owner.pubkey(), "session-1", &["default"]))
}

#[test]
fn the_owner_gets_the_rent_wherever_they_want_it_and_nothing_is_left() {
    let mut svm = Svm::with_factory();
    let owner = wallet(&mut svm);
    let address = session_of(&mut svm, &owner);
    let rent = svm.lamports(&address);
    let receiver = Pubkey::new_unique();
    let close = close_session(&SESSION_FACTORY_ID, &owner.pubkey(), &address, &receiver).unwrap();
    let sent = svm.send(std::slice::from_ref(&close), &[&owner]).unwrap();
    assert_eq!(
        data_lines(&sent.logs),
        Vec::<Vec<u8>>::new(),
        "nothing says that it is gone"
    );
    assert_eq!(svm.lamports(&receiver), rent);
    assert!(
        svm.account(&address).is_none_or(|account| account.lamports == 0
            && account.data.is_empty()
            && account.owner == Pubkey::default())
    );
    assert_eq!(svm.refusal(close, &[&owner]), 3_012, "it is not initialised any more");
    assert_eq!(state(&svm).total_sessions, 1, "it has been");
}

#[test]
fn the_authority_may_close_any_session() {
    let mut svm = Svm::with_factory();
    let owner = wallet(&mut svm);
    let address = session_of(&mut svm, &owner);
    let authority = svm.payer.pubkey();
    let close = close_session(&SESSION_FACTORY_ID, &authority, &address, &authority).unwrap();
    svm.send(&[close], &[]).unwrap();
}

#[test]
fn only_an_active_session_is_counted_down() {
    let mut svm = Svm::with_factory();
    let owner = wallet(&mut svm);
    let authority = svm.payer.pubkey();
    for (status, active) in [
        (SessionStatus::Active, 0),
        (SessionStatus::Created, 1),
        (SessionStatus::Closed, 1),
    ] {
        // Another session stays active.
        let other = wallet(&mut svm);
        for session in [&owner, &other] {
            let address = session_of(&mut svm, session);
            let activate =
                update_session_status(&SESSION_FACTORY_ID, &authority, &address, SessionStatus::Active).unwrap();
            svm.send(&[activate], &[]).unwrap();
        }
        let address = requested_address(&owner);
        let update = update_session_status(&SESSION_FACTORY_ID, &authority, &address, status).unwrap();
        svm.send(&[update], &[]).unwrap();
        let before = state(&svm).active_sessions;
        let close = close_session(&SESSION_FACTORY_ID, &owner.pubkey(), &address, &authority).unwrap();
        svm.send(&[close], &[&owner]).unwrap();
        let closed = u64::from(active == 0);
        assert_eq!(state(&svm).active_sessions, before - closed, "{status:?}");
    }
}

fn requested_address(owner: &Keypair) -> Pubkey {
    crate::sessions::entry_of(&request_of(owner.pubkey(), "session-1", &[]))
}

#[test]
fn a_closed_session_can_be_requested_again() {
    let mut svm = Svm::with_factory();
    let owner = wallet(&mut svm);
    let address = session_of(&mut svm, &owner);
    let close = close_session(&SESSION_FACTORY_ID, &owner.pubkey(), &address, &owner.pubkey()).unwrap();
    svm.send(&[close], &[&owner]).unwrap();
    svm.set_clock(5_000, NOW + 60);
    session_of(&mut svm, &owner);
    assert_eq!(entry(&svm, &address).created_at, NOW + 60);
    assert_eq!(state(&svm).total_sessions, 2);
}

fn attempt(svm: &mut Svm) -> Attempt<()> {
    let owner = wallet(svm);
    let address = session_of(svm, &owner);
    let accounts = close_session(&SESSION_FACTORY_ID, &owner.pubkey(), &address, &Pubkey::new_unique())
        .unwrap()
        .accounts;
    Attempt::new((), |()| CLOSE_SESSION.to_vec(), accounts, owner)
}

#[test]
fn it_is_checked_in_order() {
    let flaws: [Flaw<()>; 21] = [
        (3_005, cut::<(), 0>),
        (3_012, missing::<(), ENTRY>),
        (3_007, foreign::<(), ENTRY>),
        (3_001, seven_bytes::<(), ENTRY>),
        (3_002, other_kind::<(), ENTRY>),
        (3_003, undecodable::<(), ENTRY>),
        (3_005, cut::<(), 1>),
        (3_012, missing::<(), STATE>),
        (3_007, foreign::<(), STATE>),
        (3_002, other_kind::<(), STATE>),
        (3_003, undecodable::<(), STATE>),
        (3_005, cut::<(), AUTHORITY>),
        (3_010, unsigned::<(), AUTHORITY>),
        (3_005, cut::<(), RECEIVER>),
        (2_006, elsewhere::<(), ENTRY>),
        (2_000, read_only::<(), ENTRY>),
        (2_011, |_, attempt| {
            attempt.accounts[RECEIVER].pubkey = attempt.accounts[ENTRY].pubkey;
        }),
        (2_006, elsewhere::<(), STATE>),
        (2_000, read_only::<(), STATE>),
        (2_000, read_only::<(), RECEIVER>),
        (6_005, |svm, attempt| {
            let stranger = wallet(svm);
            attempt.accounts[AUTHORITY].pubkey = stranger.pubkey();
            attempt.wallet = stranger;
        }),
    ];
    assert_order(attempt, &flaws);
}
