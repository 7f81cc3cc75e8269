//! What the instructions refuse that create an account: `request_session_creation`, `create_optimistic_session` and
//! `reserve_session`, each check in its order.

use session_events::factory::{
    Arguments as _, OptimisticRequest, ReservationRequest, SESSION_FACTORY_ID, SessionRequest,
    create_optimistic_session, request_session_creation, reserve_session,
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction, InstructionError},
    pubkey::Pubkey,
    signature::{Keypair, Signer},
};

use crate::{
    attempt::{Attempt, Flaw, assert_order, wallet},
    factory_reserve::reservation,
    flaws::{
        cut, elsewhere, foreign, in_use, lamports_alone, missing, other_address, other_kind, other_program, read_only,
        seven_bytes, short_data, undecodable, unsigned,
    },
    sessions::{entry_of, request, requested},
    svm::{Svm, with_data},
};

const STATE: usize = 1;
const CREATED: usize = 2;
const SYSTEM_PROGRAM: usize = 3;

/// What the framework checks before the program itself does, in the order in which it does.
fn framework<A>() -> Vec<Flaw<A>> {
    vec![
        (102, short_data),
        (3_005, cut::<A, 0>),
        (3_010, unsigned::<A, 0>),
        (3_005, cut::<A, 1>),
        (3_012, missing::<A, STATE>),
        (3_007, foreign::<A, STATE>),
        (3_007, lamports_alone::<A, STATE>),
        (3_001, seven_bytes::<A, STATE>),
        (3_002, other_kind::<A, STATE>),
        (3_003, undecodable::<A, STATE>),
        (3_005, cut::<A, CREATED>),
        (3_005, cut::<A, SYSTEM_PROGRAM>),
        (3_008, other_program::<A, SYSTEM_PROGRAM>),
    ]
}

/// What it checks after it has looked at the seed.
fn creation<A>() -> Vec<Flaw<A>> {
    vec![
        (2_006, other_address::<A, CREATED>),
        (0, in_use::<A, CREATED>),
        (2_006, elsewhere::<A, STATE>),
        (2_000, read_only::<A, STATE>),
    ]
}

fn attempt<A>(
    svm: &mut Svm,
    arguments: A,
    encode: fn(&A) -> Vec<u8>,
    instruction: impl FnOnce(&Pubkey, &A) -> Instruction,
) -> Attempt<A> {
    let wallet = wallet(svm);
    let accounts = instruction(&wallet.pubkey(), &arguments).accounts;
    Attempt::new(arguments, encode, accounts, wallet)
}

fn request_attempt(svm: &mut Svm) -> Attempt<SessionRequest> {
    let request = request("session-1", &["default"]);
    attempt(
        svm,
        request,
        |request| request.to_data().unwrap(),
        |payer, request| request_session_creation(&SESSION_FACTORY_ID, payer, request).unwrap(),
    )
}

fn optimistic_attempt(svm: &mut Svm) -> Attempt<OptimisticRequest> {
    let request = OptimisticRequest {
        owner: Pubkey::new_from_array([7; 32]),
        session_id: "session-1".to_owned(),
    };
    attempt(
        svm,
        request,
        |request| request.to_data().unwrap(),
        |payer, request| create_optimistic_session(&SESSION_FACTORY_ID, payer, request).unwrap(),
    )
}

fn reservation_attempt(svm: &mut Svm) -> Attempt<ReservationRequest> {
    attempt(
        svm,
        reservation("reservation-1"),
        |request| request.to_data().unwrap(),
        |payer, request| reserve_session(&SESSION_FACTORY_ID, payer, request).unwrap(),
    )
}

/// Changes what is asked for, and the entry's address with it.
fn ask(attempt: &mut Attempt<SessionRequest>, change: impl FnOnce(&mut SessionRequest)) {
    change(&mut attempt.arguments);
    attempt.accounts[CREATED].pubkey = entry_of(&attempt.arguments);
}

#[test]
fn a_request_is_checked_in_order() {
    let mut flaws: Vec<Flaw<SessionRequest>> = framework();
    flaws.push((6_002, |_, attempt| attempt.arguments.session_id = "x".repeat(33)));
    flaws.extend(creation());
    let own: [Flaw<SessionRequest>; 5] = [
        (6_000, |_, attempt| {
            ask(attempt, |request| request.owner = Pubkey::default());
        }),
        (6_001, |_, attempt| {
            ask(attempt, |request| request.eval_program = Pubkey::default());
        }),
        (6_004, |_, attempt| {
            ask(attempt, |request| request.shard_address = Pubkey::default());
        }),
        (6_002, |_, attempt| ask(attempt, |request| request.session_id.clear())),
        (6_003, |_, attempt| {
            ask(attempt, |request| request.namespaces = vec![String::new(); 11]);
        }),
    ];
    flaws.extend(own);
    assert_order(request_attempt, &flaws);
}

#[test]
fn an_optimistic_session_is_checked_in_order() {
    let mut flaws: Vec<Flaw<OptimisticRequest>> = framework();
    flaws.push((6_002, |_, attempt| attempt.arguments.session_id = "x".repeat(33)));
    flaws.extend(creation());
    flaws.push((6_002, |_, attempt| {
        attempt.arguments.session_id.clear();
        let OptimisticRequest { owner, session_id } = &attempt.arguments;
        let entry = session_events::factory::entry_address(&SESSION_FACTORY_ID, owner, session_id).unwrap();
        attempt.accounts[CREATED].pubkey = entry.0;
    }));
    assert_order(optimistic_attempt, &flaws);
}

#[test]
fn a_reservation_is_checked_in_order() {
    let mut flaws: Vec<Flaw<ReservationRequest>> = framework();
    flaws.push((6_006, |_, attempt| attempt.arguments.reservation_id = "x".repeat(33)));
    flaws.extend(creation());
    let own: [Flaw<ReservationRequest>; 8] = [
        (6_006, |_, attempt| {
            attempt.arguments.reservation_id.clear();
            let reserver = attempt.wallet.pubkey();
            let address = session_events::factory::reservation_address(&SESSION_FACTORY_ID, &reserver, "").unwrap();
            attempt.accounts[CREATED].pubkey = address.0;
        }),
        (6_002, |_, attempt| attempt.arguments.session_id.clear()),
        (6_002, |_, attempt| attempt.arguments.session_id = "x".repeat(65)),
        (6_000, |_, attempt| attempt.arguments.session_owner = Pubkey::default()),
        (6_007, |_, attempt| attempt.arguments.reservation_duration_hours = 0),
        (6_007, |_, attempt| attempt.arguments.reservation_duration_hours = 169),
        (6_008, |_, attempt| {
            attempt.arguments.template_id = None;
            attempt.arguments.custom_config = None;
        }),
        (6_008, |_, attempt| {
            attempt.arguments.template_id = Some("template".to_owned());
            attempt.arguments.custom_config = Some(crate::factory_reserve::configuration());
        }),
    ];
    flaws.extend(own);
    assert_order(reservation_attempt, &flaws);
}

#[test]
fn ten_namespaces_are_not_too_many() {
    let mut svm = Svm::with_factory();
    requested(&mut svm, &request("session-1", &["n"; 10]));
}

#[test]
fn a_read_only_requester_or_entry_is_the_runtimes_refusal() {
    let mut svm = Svm::with_factory();
    let wallet = wallet(&mut svm);
    let good = request_session_creation(&SESSION_FACTORY_ID, &wallet.pubkey(), &request("session-1", &[])).unwrap();
    for place in [0, CREATED] {
        let mut instruction = good.clone();
        instruction.accounts[place].is_writable = false;
        assert_eq!(
            svm.error(instruction, &[&wallet]),
            InstructionError::PrivilegeEscalation
        );
    }
}

#[test]
fn malformed_texts_are_refused() {
    let mut svm = Svm::with_factory();
    let wallet = wallet(&mut svm);
    let request = request("session-1", &["default"]);
    let good = request_session_creation(&SESSION_FACTORY_ID, &wallet.pubkey(), &request).unwrap();
    let id = 8 + 32 + 32;
    let namespaces = id + 4 + request.session_id.len();
    let spoilt = [
        (id + 4, 1),
        (id, 4),
        (namespaces, 4),
        (namespaces + 4, 4),
        (namespaces + 8, 1),
    ];
    for (start, length) in spoilt {
        let mut data = good.data.clone();
        data[start..start + length].fill(0xff);
        assert_eq!(svm.refusal(with_data(&good, &data), &[&wallet]), 102, "at {start}");
    }
    for length in 8..good.data.len() {
        assert_eq!(svm.refusal(with_data(&good, &good.data[..length]), &[&wallet]), 102);
    }
    assert_eq!(svm.account(&entry_of(&request)), None);
}

#[test]
fn nobody_can_be_made_to_pay() {
    let mut svm = Svm::with_factory();
    let victim = wallet(&mut svm);
    let before = svm.lamports(&victim.pubkey());
    let mut instruction =
        request_session_creation(&SESSION_FACTORY_ID, &victim.pubkey(), &request("session-1", &[])).unwrap();
    instruction.accounts[0] = AccountMeta::new(victim.pubkey(), false);
    assert_eq!(svm.refusal(instruction, &[]), 3_010);
    assert_eq!(svm.lamports(&victim.pubkey()), before);
}

#[test]
fn a_second_request_for_a_session_is_refused_and_changes_nothing() {
    let mut svm = Svm::with_factory();
    let first = request("session-1", &["default"]);
    let address = requested(&mut svm, &first);
    let before = svm.account(&address);
    let other_shard = SessionRequest {
        shard_address: Pubkey::new_unique(),
        ..first.clone()
    };
    for again in [first, other_shard] {
        let instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &again).unwrap();
        assert_eq!(svm.refusal(instruction, &[]), 0, "the system program's");
    }
    assert_eq!(svm.account(&address), before);
}

#[test]
fn an_entry_too_large_for_one_instruction_is_the_system_programs_refusal() {
    let mut svm = Svm::with_factory();
    // Empty names are four bytes each: more entries than the data of a transaction would hold otherwise.
    let large = request("session-1", &[""; 200]);
    let mut instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), &large).unwrap();
    assert_eq!(
        svm.refusal(instruction.clone(), &[]),
        6_003,
        "its entry could be created"
    );
    instruction.data.truncate(8);
    assert_eq!(svm.refusal(instruction, &[]), 102);
}

#[test]
fn a_requester_without_the_lamports_is_the_system_programs_refusal() {
    let mut svm = Svm::with_factory();
    let poor: Keypair = svm.wallet(svm.rent(0));
    let request = request("session-1", &["default"]);
    let instruction = request_session_creation(&SESSION_FACTORY_ID, &poor.pubkey(), &request).unwrap();
    assert_eq!(svm.refusal(instruction, &[&poor]), 1);
    assert_eq!(svm.account(&entry_of(&request)), None);
}
