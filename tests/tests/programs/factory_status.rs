//! `update_session_status` of the program `session_factory`, which takes anybody's word.

use session_events::{
    Event, SessionActivatedEvent, SessionStatus,
    factory::{Arguments as _, SESSION_FACTORY_ID, StatusUpdate, update_session_status},
};
use solana_sdk::{
    instruction::Instruction,
    signature::{Keypair, Signer},
};

use crate::{
    attempt::{Attempt, Flaw, assert_order, wallet},
    flaws::{
        cut, elsewhere, foreign, lamports_alone, missing, other_kind, read_only, seven_bytes, short_data, undecodable,
        unsigned,
    },
    sessions::{entry, entry_of, request, requested, state, state_of_factory},
    svm::{NOW, SLOT, Svm, data_lines, with_data},
};

const ENTRY: usize = 0;
const STATE: usize = 1;
const AUTHORITY: usize = 2;

fn update(signer: &Keypair, session_id: &str, status: SessionStatus) -> Instruction {
    let entry = entry_of(&request(session_id, &[]));
    update_session_status(&SESSION_FACTORY_ID, &signer.pubkey(), &entry, status).unwrap()
}

#[test]
fn every_status_in_any_order_by_anybody() {
    use SessionStatus::{Active, Closed, Created, Requested};
    let mut svm = Svm::with_factory();
    let request = request("session-1", &["default", "größe"]);
    let address = requested(&mut svm, &request);
    let anybody = wallet(&mut svm);
    let mut expected = entry(&svm, &address);
    let life = [
        (Created, 0),
        (Active, 1),
        (Active, 1),
        (Closed, 0),
        (Active, 1),
        (Requested, 0),
        (Closed, 0),
    ];
    for (now, (status, active)) in (NOW + 1..).zip(life) {
        svm.set_clock(SLOT + 1, now);
        let logs = svm
            .send(&[update(&anybody, "session-1", status)], &[&anybody])
            .unwrap()
            .logs;
        let activated = status == Active && expected.status != Active;
        let event = Event::SessionActivated(SessionActivatedEvent {
            session_address: expected.session_address,
            session_id: request.session_id.clone(),
            owner: request.owner,
            eval_program: request.eval_program,
            shard_address: request.shard_address,
            namespaces: request.namespaces.clone(),
            activated_at: now,
            activated_by: anybody.pubkey(),
            activation_slot: SLOT + 1,
        });
        let events: Vec<_> = activated.then(|| event.to_bytes().unwrap()).into_iter().collect();
        assert_eq!(data_lines(&logs), events);
        expected.status = status;
        expected.last_updated = now;
        if activated {
            expected.activated_at = Some(now);
        }
        assert_eq!(entry(&svm, &address), expected, "the optimistic state stays");
        assert_eq!(state(&svm).active_sessions, active);
    }
    assert_eq!(expected.activated_at, Some(NOW + 5), "the last time counts");
}

#[test]
fn the_count_of_active_sessions_does_not_fall_below_0() {
    let mut svm = Svm::with_factory();
    requested(&mut svm, &request("session-1", &[]));
    let anybody = wallet(&mut svm);
    svm.send(&[update(&anybody, "session-1", SessionStatus::Active)], &[&anybody])
        .unwrap();
    let mut account = svm.account(&state_of_factory()).unwrap();
    account.data[48..56].fill(0);
    svm.chain.set_account(state_of_factory(), account).unwrap();
    svm.send(&[update(&anybody, "session-1", SessionStatus::Closed)], &[&anybody])
        .unwrap();
    assert_eq!(state(&svm).active_sessions, 0);
}

fn attempt(svm: &mut Svm) -> Attempt<StatusUpdate> {
    requested(svm, &request("session-1", &["default"]));
    let wallet = wallet(svm);
    let arguments = StatusUpdate {
        new_status: SessionStatus::Active,
    };
    let accounts = update(&wallet, "session-1", SessionStatus::Active).accounts;
    Attempt::new(arguments, |update| update.to_data().unwrap(), accounts, wallet)
}

#[test]
fn it_is_checked_in_order() {
    type Update = StatusUpdate;
    let flaws: [Flaw<Update>; 20] = [
        (102, short_data),
        (3_005, cut::<Update, 0>),
        (3_012, missing::<Update, ENTRY>),
        (3_007, foreign::<Update, ENTRY>),
        (3_007, lamports_alone::<Update, ENTRY>),
        (3_001, seven_bytes::<Update, ENTRY>),
        (3_002, other_kind::<Update, ENTRY>),
        (3_003, undecodable::<Update, ENTRY>),
        (3_005, cut::<Update, 1>),
        (3_012, missing::<Update, STATE>),
        (3_007, foreign::<Update, STATE>),
        (3_001, seven_bytes::<Update, STATE>),
        (3_002, other_kind::<Update, STATE>),
        (3_003, undecodable::<Update, STATE>),
        (3_005, cut::<Update, AUTHORITY>),
        (3_010, unsigned::<Update, AUTHORITY>),
        (2_006, elsewhere::<Update, ENTRY>),
        (2_000, read_only::<Update, ENTRY>),
        (2_006, elsewhere::<Update, STATE>),
        (2_000, read_only::<Update, STATE>),
    ];
    assert_order(attempt, &flaws);
}

#[test]
fn a_status_that_there_is_not_is_malformed() {
    let mut svm = Svm::with_factory();
    requested(&mut svm, &request("session-1", &[]));
    let anybody = wallet(&mut svm);
    let good = update(&anybody, "session-1", SessionStatus::Created);
    for status in [4, 0xff] {
        let instruction = with_data(&good, &[&good.data[..8], &[status]].concat());
        assert_eq!(svm.refusal(instruction, &[&anybody]), 102);
    }
    // Anchor leaves what comes after the arguments alone.
    let longer = with_data(&good, &[&good.data[..], &[0xff]].concat());
    svm.send(&[longer], &[&anybody]).unwrap();
}
