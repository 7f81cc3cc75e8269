//! What is done to a session by hand: `manual_initialize_session` and `emergency_reset_session` of `session_factory`.

use session_events::{
    EmergencySessionResetEvent, Event, ManualSessionInitializedEvent, SessionEntry, SessionState, SessionStatus,
    factory::{
        Arguments as _, EmergencyReset, ManualInitialization, SESSION_FACTORY_ID, emergency_reset_session,
        manual_initialize_session, update_session_status,
    },
};
use solana_sdk::{
    instruction::Instruction,
    pubkey::Pubkey,
    signature::{Keypair, Signer},
};

use crate::{
    attempt::{Attempt, Flaw, assert_order, wallet},
    flaws::{cut, elsewhere, foreign, missing, other_kind, read_only, seven_bytes, short_data, undecodable, unsigned},
    sessions::{entry, request_of, requested, state},
    svm::{NOW, SLOT, Svm, data_lines},
};

const AUTHORITY: usize = 0;
const ENTRY: usize = 1;
const STATE: usize = 2;

const SESSION_ID: &str = "session-1";

fn session_of(svm: &mut Svm, owner: &Keypair) -> Pubkey {
    requested(svm, &request_of(owner.pubkey(), SESSION_ID, &["default"]))
}

fn activation(authority: &Keypair, entry: &Pubkey, force_activation: bool) -> Instruction {
    let arguments = ManualInitialization {
        session_id: SESSION_ID.to_owned(),
        force_activation,
    };
    manual_initialize_session(&SESSION_FACTORY_ID, &authority.pubkey(), entry, &arguments).unwrap()
}

fn reset(authority: &Pubkey, entry: &Pubkey, reset_to_status: SessionStatus) -> Instruction {
    let arguments = EmergencyReset {
        session_id: SESSION_ID.to_owned(),
        reset_to_status,
    };
    emergency_reset_session(&SESSION_FACTORY_ID, authority, entry, &arguments).unwrap()
}

#[test]
fn anybody_may_activate_a_session_that_is_not() {
    let mut svm = Svm::with_factory();
    let (owner, anybody) = (wallet(&mut svm), wallet(&mut svm));
    let address = session_of(&mut svm, &owner);
    let requested = entry(&svm, &address);
    svm.set_clock(SLOT + 1, NOW + 9);
    let sent = svm.send(&[activation(&anybody, &address, true)], &[&anybody]).unwrap();
    let event = Event::ManualSessionInitialized(ManualSessionInitializedEvent {
        session_pda: requested.session_address,
        session_id: SESSION_ID.to_owned(),
        owner: owner.pubkey(),
        authority: anybody.pubkey(),
        force_activation: true,
        initialized_at: NOW + 9,
    });
    assert_eq!(data_lines(&sent.logs), [event.to_bytes().unwrap()]);
    let expected = SessionEntry {
        status: SessionStatus::Active,
        optimistic_state: SessionState::Active,
        activated_at: Some(NOW + 9),
        last_updated: NOW + 9,
        optimistic_state_set_at: NOW + 9,
        ..requested
    };
    assert_eq!(entry(&svm, &address), expected);
    assert_eq!(state(&svm).active_sessions, 1);
    for force in [false, true] {
        assert_eq!(svm.refusal(activation(&anybody, &address, force), &[&anybody]), 6_016);
    }
    assert_eq!(state(&svm).active_sessions, 1);
}

#[test]
fn a_reset_sets_both_statuses_and_counts_nothing() {
    use SessionStatus::{Active, Closed, Created, Requested};
    let mut svm = Svm::with_factory();
    let owner = wallet(&mut svm);
    let authority = svm.payer.pubkey();
    let address = session_of(&mut svm, &owner);
    let activate = update_session_status(&SESSION_FACTORY_ID, &authority, &address, Active).unwrap();
    svm.send(&[activate], &[]).unwrap();
    let resets = [
        (Active, SessionState::Active, true),
        (Created, SessionState::Pending, false),
        (Closed, SessionState::Closed, false),
        // Nobody sets the time that was cleared.
        (Active, SessionState::Active, false),
        (Requested, SessionState::Pending, false),
    ];
    for (now, (status, optimistic_state, keeps_time)) in (NOW + 1..).zip(resets) {
        svm.set_clock(SLOT + 1, now);
        let before = entry(&svm, &address);
        let by_owner = status != Closed;
        let (signer, signers) = if by_owner {
            (owner.pubkey(), vec![&owner])
        } else {
            (authority, Vec::new())
        };
        let sent = svm.send(&[reset(&signer, &address, status)], &signers).unwrap();
        let event = Event::EmergencySessionReset(EmergencySessionResetEvent {
            session_pda: before.session_address,
            session_id: SESSION_ID.to_owned(),
            owner: owner.pubkey(),
            authority: signer,
            old_status: before.status,
            new_status: status,
            old_optimistic_state: before.optimistic_state,
            new_optimistic_state: optimistic_state,
            reset_at: now,
        });
        assert_eq!(data_lines(&sent.logs), [event.to_bytes().unwrap()]);
        let expected = SessionEntry {
            status,
            optimistic_state,
            activated_at: before.activated_at.filter(|_| keeps_time),
            last_updated: now,
            optimistic_state_set_at: now,
            ..before
        };
        assert_eq!(entry(&svm, &address), expected);
        assert_eq!(state(&svm).active_sessions, 1, "as it was");
    }
}

#[test]
fn an_entry_that_gets_shorter_leaves_its_last_bytes_behind_it() {
    let mut svm = Svm::with_factory();
    let owner = wallet(&mut svm);
    let address = session_of(&mut svm, &owner);
    svm.send(&[activation(&owner, &address, false)], &[&owner]).unwrap();
    let longer = svm.account(&address).unwrap().data;
    svm.send(&[reset(&owner.pubkey(), &address, SessionStatus::Requested)], &[&owner])
        .unwrap();
    let shorter = entry(&svm, &address);
    let mut expected = SessionEntry::DISCRIMINATOR.to_vec();
    borsh::to_writer(&mut expected, &shorter).unwrap();
    let written = expected.len();
    expected.extend_from_slice(&longer[written..]);
    assert_eq!(svm.account(&address).unwrap().data, expected);
    assert_ne!(longer[written..written + 8], [0; 8]);
}

fn entry_of_new_session(svm: &mut Svm) -> (Keypair, Pubkey) {
    let owner = wallet(svm);
    let address = session_of(svm, &owner);
    (owner, address)
}

fn activation_attempt(svm: &mut Svm) -> Attempt<ManualInitialization> {
    let (owner, address) = entry_of_new_session(svm);
    let arguments = ManualInitialization {
        session_id: SESSION_ID.to_owned(),
        force_activation: false,
    };
    let accounts = activation(&owner, &address, false).accounts;
    Attempt::new(arguments, |arguments| arguments.to_data().unwrap(), accounts, owner)
}

fn reset_attempt(svm: &mut Svm) -> Attempt<EmergencyReset> {
    let (owner, address) = entry_of_new_session(svm);
    let arguments = EmergencyReset {
        session_id: SESSION_ID.to_owned(),
        reset_to_status: SessionStatus::Closed,
    };
    let accounts = reset(&owner.pubkey(), &address, SessionStatus::Closed).accounts;
    Attempt::new(arguments, |arguments| arguments.to_data().unwrap(), accounts, owner)
}

/// What the framework finds while it takes and reads the accounts.
fn framework<A>() -> Vec<Flaw<A>> {
    vec![
        (102, short_data),
        (3_005, cut::<A, 0>),
        (3_010, unsigned::<A, AUTHORITY>),
        (3_005, cut::<A, ENTRY>),
        (3_012, missing::<A, ENTRY>),
        (3_007, foreign::<A, ENTRY>),
        (3_001, seven_bytes::<A, ENTRY>),
        (3_002, other_kind::<A, ENTRY>),
        (3_003, undecodable::<A, ENTRY>),
        (3_005, cut::<A, STATE>),
        (3_012, missing::<A, STATE>),
        (3_007, foreign::<A, STATE>),
        (3_002, other_kind::<A, STATE>),
        (3_003, undecodable::<A, STATE>),
        (2_000, read_only::<A, AUTHORITY>),
        (2_006, elsewhere::<A, ENTRY>),
    ]
}

#[test]
fn an_activation_is_checked_in_order() {
    let mut flaws: Vec<Flaw<ManualInitialization>> = framework();
    let own: [Flaw<ManualInitialization>; 6] = [
        (2_006, |_, attempt| {
            attempt.arguments.session_id = "session-2".to_owned();
        }),
        (2_006, |_, attempt| attempt.arguments.session_id = "x".repeat(33)),
        (2_000, read_only::<_, ENTRY>),
        (2_006, elsewhere::<_, STATE>),
        (2_000, read_only::<_, STATE>),
        (6_016, |svm, attempt| {
            let address = attempt.accounts[ENTRY].pubkey;
            let authority = svm.payer.pubkey();
            let activate =
                update_session_status(&SESSION_FACTORY_ID, &authority, &address, SessionStatus::Active).unwrap();
            svm.send(&[activate], &[]).unwrap();
        }),
    ];
    flaws.extend(own);
    assert_order(activation_attempt, &flaws);
}

#[test]
fn a_reset_is_checked_in_order() {
    let mut flaws: Vec<Flaw<EmergencyReset>> = framework();
    let own: [Flaw<EmergencyReset>; 5] = [
        (2_006, |_, attempt| {
            attempt.arguments.session_id = "session-2".to_owned();
        }),
        (2_006, |_, attempt| attempt.arguments.session_id = "x".repeat(33)),
        (2_000, read_only::<_, ENTRY>),
        (2_003, |svm, attempt| {
            let stranger = wallet(svm);
            attempt.accounts[AUTHORITY].pubkey = stranger.pubkey();
            attempt.wallet = stranger;
        }),
        (2_006, |svm, attempt| {
            // A copy of the state whose authority the owner is not; the owner needs none.
            crate::flaws::elsewhere::<_, STATE>(svm, attempt);
        }),
    ];
    flaws.extend(own);
    assert_order(reset_attempt, &flaws);
}

#[test]
fn flags_and_statuses_that_there_are_not_are_malformed() {
    let mut svm = Svm::with_factory();
    let (owner, address) = entry_of_new_session(&mut svm);
    for (good, byte) in [
        (activation(&owner, &address, true), 2),
        (reset(&owner.pubkey(), &address, SessionStatus::Closed), 4),
    ] {
        let mut instruction = good.clone();
        *instruction.data.last_mut().unwrap() = byte;
        assert_eq!(svm.refusal(instruction, &[&owner]), 102);
    }
}
