//! `create_session_account` of the program `session`.

use session_events::{
    session::{AccountRequest, SESSION_PROGRAM_ID, create_session_account},
    session_address,
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction, InstructionError},
    pubkey::Pubkey,
    signature::Signer,
    transaction::TransactionError,
};

use crate::svm::{Svm, malformed, with_data};

const PAYER: usize = 0;
const SESSION: usize = 1;
const SYSTEM_PROGRAM: usize = 2;

fn request(size: u64) -> AccountRequest {
    AccountRequest {
        owner: Pubkey::new_from_array([7; 32]),
        session_id: "session-1".to_owned(),
        size,
    }
}

fn address(request: &AccountRequest) -> Pubkey {
    session_address(&SESSION_PROGRAM_ID, &request.owner, &request.session_id)
        .unwrap()
        .0
}

fn create(svm: &Svm, request: &AccountRequest) -> Instruction {
    create_session_account(&SESSION_PROGRAM_ID, &svm.payer.pubkey(), request).unwrap()
}

/// The account is the session's: owner, zeroed data of this size, and exactly these lamports.
fn assert_session(svm: &Svm, request: &AccountRequest, lamports: u64) {
    let account = svm.account(&address(request)).unwrap();
    assert_eq!(account.owner, SESSION_PROGRAM_ID);
    assert_eq!(account.data, vec![0; usize::try_from(request.size).unwrap()]);
    assert_eq!(account.lamports, lamports);
    assert!(!account.executable);
}

#[test]
fn an_account_is_zeroed_owned_and_rent_exempt() {
    let mut svm = Svm::new();
    let request = request(321);
    let before = svm.lamports(&svm.payer.pubkey());
    let fee = svm.send(&[create(&svm, &request)], &[]).unwrap().fee;
    assert_session(&svm, &request, svm.rent(321));
    assert_eq!(svm.lamports(&svm.payer.pubkey()), before - svm.rent(321) - fee);
}

#[test]
fn sizes_from_nothing_to_the_limit() {
    for size in [0, 1, 10_240] {
        let mut svm = Svm::new();
        let request = request(size);
        svm.send(&[create(&svm, &request)], &[]).unwrap();
        assert_session(&svm, &request, svm.rent(usize::try_from(size).unwrap()));
    }
}

#[test]
fn one_byte_over_the_limit_is_refused_and_costs_no_rent() {
    for size in [10_241, u64::MAX] {
        let mut svm = Svm::new();
        let request = request(size);
        assert_eq!(svm.refusal(create(&svm, &request), &[]), 6009);
        assert_eq!(svm.account(&address(&request)), None);
    }
}

#[test]
fn lamports_sent_beforehand_are_topped_up() {
    let mut svm = Svm::new();
    let request = request(500);
    let sent = svm.rent(0);
    svm.fund(&address(&request), sent);
    let before = svm.lamports(&svm.payer.pubkey());
    let fee = svm.send(&[create(&svm, &request)], &[]).unwrap().fee;
    assert_session(&svm, &request, svm.rent(500));
    assert_eq!(svm.lamports(&svm.payer.pubkey()), before - (svm.rent(500) - sent) - fee);
}

#[test]
fn more_lamports_than_needed_sent_beforehand_stay() {
    let mut svm = Svm::new();
    let request = request(10_240);
    let sent = svm.rent(10_240) + 1;
    svm.fund(&address(&request), sent);
    let before = svm.lamports(&svm.payer.pubkey());
    let fee = svm.send(&[create(&svm, &request)], &[]).unwrap().fee;
    assert_session(&svm, &request, sent);
    assert_eq!(svm.lamports(&svm.payer.pubkey()), before - fee);
}

#[test]
fn session_ids_from_empty_to_a_whole_seed() {
    for session_id in ["", "ä", "0123456789abcdef0123456789abcdef"] {
        let mut svm = Svm::new();
        let request = AccountRequest {
            session_id: session_id.to_owned(),
            ..request(8)
        };
        svm.send(&[create(&svm, &request)], &[]).unwrap();
        assert_session(&svm, &request, svm.rent(8));
    }
}

#[test]
fn another_wallet_than_the_fee_payer_can_pay() {
    let mut svm = Svm::new();
    let request = request(64);
    let left = svm.rent(0);
    let wallet = svm.wallet(svm.rent(64) + left);
    let instruction = create_session_account(&SESSION_PROGRAM_ID, &wallet.pubkey(), &request).unwrap();
    svm.send(&[instruction], &[&wallet]).unwrap();
    assert_session(&svm, &request, svm.rent(64));
    assert_eq!(svm.lamports(&wallet.pubkey()), left);
}

#[test]
fn a_second_creation_is_refused_and_changes_nothing() {
    let mut svm = Svm::new();
    let first = request(64);
    svm.send(&[create(&svm, &first)], &[]).unwrap();
    for size in [64, 63, 0] {
        assert_eq!(svm.refusal(create(&svm, &request(size)), &[]), 6010);
    }
    assert_session(&svm, &first, svm.rent(64));
}

#[test]
fn an_account_that_somebody_made_too_short_is_grown_for_the_difference() {
    for (short, long) in [(0, 1), (0, 10_240), (64, 65), (1_000, 10_240), (10_239, 10_240)] {
        let mut svm = Svm::new();
        let griefer = svm.wallet(1_000_000_000);
        let instruction = create_session_account(&SESSION_PROGRAM_ID, &griefer.pubkey(), &request(short)).unwrap();
        svm.send(&[instruction], &[&griefer]).unwrap();
        let before = svm.lamports(&svm.payer.pubkey());
        let sent = svm.send(&[create(&svm, &request(long))], &[]).unwrap();
        let rent = |size: u64| svm.rent(usize::try_from(size).unwrap());
        assert_session(&svm, &request(long), rent(long));
        let paid = before - svm.lamports(&svm.payer.pubkey()) - sent.fee;
        assert_eq!(paid, rent(long) - rent(short), "the griefer paid the rest");
        assert!(sent.compute_units_consumed < 20_000, "{}", sent.compute_units_consumed);
    }
}

#[test]
fn growing_takes_lamports_that_are_there_into_account() {
    let mut svm = Svm::new();
    svm.send(&[create(&svm, &request(10))], &[]).unwrap();
    let gift = svm.rent(500);
    svm.fund(&address(&request(0)), gift);
    let before = svm.lamports(&svm.payer.pubkey());
    let fee = svm.send(&[create(&svm, &request(400))], &[]).unwrap().fee;
    assert_session(&svm, &request(400), svm.rent(10) + gift);
    assert_eq!(svm.lamports(&svm.payer.pubkey()), before - fee);
}

#[test]
fn an_account_in_use_is_not_grown() {
    // The byte that is not zero can be anywhere, also in what is left after the last eight.
    for place in [0, 7, 8, 63, 64, 66] {
        let mut svm = Svm::new();
        svm.send(&[create(&svm, &request(67))], &[]).unwrap();
        let mut account = svm.account(&address(&request(0))).unwrap();
        account.data[place] = 1;
        svm.chain.set_account(address(&request(0)), account.clone()).unwrap();
        assert_eq!(svm.refusal(create(&svm, &request(100)), &[]), 6010, "byte {place}");
        assert_eq!(svm.account(&address(&request(0))), Some(account));
    }
}

#[test]
fn an_account_is_grown_more_than_once() {
    let mut svm = Svm::new();
    for size in [0, 5_000, 5_001, 10_240] {
        svm.send(&[create(&svm, &request(size))], &[]).unwrap();
        assert_session(&svm, &request(size), svm.rent(usize::try_from(size).unwrap()));
    }
}

#[test]
fn growth_that_the_payer_cannot_afford_is_the_system_programs_refusal() {
    let mut svm = Svm::new();
    svm.send(&[create(&svm, &request(0))], &[]).unwrap();
    let wallet = svm.wallet(svm.rent(0));
    let instruction = create_session_account(&SESSION_PROGRAM_ID, &wallet.pubkey(), &request(10_240)).unwrap();
    assert_eq!(svm.refusal(instruction, &[&wallet]), 1);
    assert_session(&svm, &request(0), svm.rent(0));
}

#[test]
fn unknown_instructions_are_refused() {
    let mut svm = Svm::new();
    let known = create(&svm, &request(64));
    for data in [&[][..], &known.data[..7], &[0; 8], &[0xff; 64]] {
        assert_eq!(svm.refusal(with_data(&known, data), &[]), 6000);
    }
}

#[test]
fn malformed_arguments_are_refused() {
    let mut svm = Svm::new();
    let good = create(&svm, &request(64));
    let mut no_utf8 = good.clone();
    no_utf8.data[8 + 32 + 4] = 0xff;
    let mut endless = good.clone();
    endless.data[8 + 32..8 + 32 + 4].fill(0xff);
    for instruction in malformed(&good).into_iter().chain([no_utf8, endless]) {
        assert_eq!(svm.refusal(instruction, &[]), 6001);
    }
}

#[test]
fn missing_accounts_are_refused() {
    let mut svm = Svm::new();
    let good = create(&svm, &request(64));
    for count in 0..good.accounts.len() {
        let mut instruction = good.clone();
        instruction.accounts.truncate(count);
        assert_eq!(svm.refusal(instruction, &[]), 6002);
    }
}

#[test]
fn a_payer_who_did_not_sign_is_refused() {
    let mut svm = Svm::new();
    let victim = svm.wallet(1_000_000_000);
    let mut instruction = create(&svm, &request(64));
    instruction.accounts[PAYER] = AccountMeta::new(victim.pubkey(), false);
    assert_eq!(svm.refusal(instruction, &[]), 6003);
    assert_eq!(svm.lamports(&victim.pubkey()), 1_000_000_000);
}

#[test]
fn a_read_only_payer_is_refused() {
    let mut svm = Svm::new();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = create(&svm, &request(64));
    instruction.accounts[PAYER] = AccountMeta::new_readonly(wallet.pubkey(), true);
    assert_eq!(svm.refusal(instruction, &[&wallet]), 6004);
}

#[test]
fn a_read_only_session_is_refused() {
    let mut svm = Svm::new();
    let mut instruction = create(&svm, &request(64));
    instruction.accounts[SESSION].is_writable = false;
    assert_eq!(svm.refusal(instruction, &[]), 6005);
}

#[test]
fn another_program_in_the_place_of_the_system_program_is_refused() {
    let mut svm = Svm::new();
    let mut instruction = create(&svm, &request(64));
    instruction.accounts[SYSTEM_PROGRAM].pubkey = SESSION_PROGRAM_ID;
    assert_eq!(svm.refusal(instruction, &[]), 6006);
}

#[test]
fn a_session_id_that_is_no_seed_is_refused() {
    let mut svm = Svm::new();
    let mut instruction = create(&svm, &request(64));
    let request = AccountRequest {
        session_id: "x".repeat(33),
        ..request(64)
    };
    instruction.data.truncate(8);
    borsh::to_writer(&mut instruction.data, &request).unwrap();
    assert_eq!(svm.refusal(instruction, &[]), 6007);
}

#[test]
fn any_other_address_is_refused() {
    let mut svm = Svm::new();
    let good = create(&svm, &request(64));
    let other_session = AccountRequest {
        session_id: "session-2".to_owned(),
        ..request(64)
    };
    let payer = svm.payer.pubkey();
    for wrong in [address(&other_session), Pubkey::new_unique(), payer] {
        let mut instruction = good.clone();
        instruction.accounts[SESSION].pubkey = wrong;
        assert_eq!(svm.refusal(instruction, &[]), 6008);
        assert_ne!(
            svm.account(&wrong).map(|account| account.owner),
            Some(SESSION_PROGRAM_ID)
        );
    }
}

#[test]
fn an_address_with_another_bump_is_refused() {
    let mut svm = Svm::new();
    let request = request(64);
    let (_, bump) = session_address(&SESSION_PROGRAM_ID, &request.owner, &request.session_id).unwrap();
    let other = (0..bump).rev().find_map(|bump| {
        let seeds: [&[u8]; 4] = [
            b"session",
            request.owner.as_ref(),
            request.session_id.as_bytes(),
            &[bump],
        ];
        Pubkey::create_program_address(&seeds, &SESSION_PROGRAM_ID).ok()
    });
    let mut instruction = create(&svm, &request);
    instruction.accounts[SESSION].pubkey = other.unwrap();
    assert_eq!(svm.refusal(instruction, &[]), 6008);
}

#[test]
fn a_payer_without_the_lamports_is_the_system_programs_refusal() {
    for sent_beforehand in [false, true] {
        let mut svm = Svm::new();
        let request = request(1_000);
        if sent_beforehand {
            let lamports = svm.rent(0);
            svm.fund(&address(&request), lamports);
        }
        let wallet = svm.wallet(svm.rent(1_000) - svm.rent(0) - 1);
        let instruction = create_session_account(&SESSION_PROGRAM_ID, &wallet.pubkey(), &request).unwrap();
        let refused = svm.send(&[instruction], &[&wallet]).unwrap_err();
        assert_eq!(
            refused,
            TransactionError::InstructionError(0, InstructionError::Custom(1))
        );
    }
}
