//! `create_session_accounts` of the program `session`, and its packed twin: many accounts in one instruction, or none.

use litesvm::types::TransactionMetadata;
use session_events::{
    session::{
        AccountRequest, MEMBER_ERROR, SESSION_PROGRAM_ID, create_session_account, create_session_accounts,
        create_session_accounts_packed,
    },
    session_address,
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction, InstructionError},
    pubkey::Pubkey,
    signature::Signer,
};

use crate::svm::{HOSTILE_ID, Svm, malformed, with_data};

const PAYER: usize = 0;
const SYSTEM_PROGRAM: usize = 1;
const FIRST: usize = 2;

/// A compute limit that is never reached: a transaction of the oldest format has only bytes for a few sessions.
const MEMBERS: u64 = 8;

fn request(number: u64) -> AccountRequest {
    AccountRequest {
        owner: Pubkey::new_from_array([7; 32]),
        session_id: format!("session-{number}"),
        size: 168 + 8 * number,
    }
}

fn requests() -> Vec<AccountRequest> {
    (0..MEMBERS).map(request).collect()
}

fn address(request: &AccountRequest) -> Pubkey {
    session_address(&SESSION_PROGRAM_ID, &request.owner, &request.session_id)
        .unwrap()
        .0
}

fn create(svm: &Svm, requests: &[AccountRequest]) -> Instruction {
    create_session_accounts(&SESSION_PROGRAM_ID, &svm.payer.pubkey(), requests).unwrap()
}

fn assert_created(svm: &Svm, request: &AccountRequest, lamports: u64) {
    let account = svm.account(&address(request)).unwrap();
    assert_eq!(account.owner, SESSION_PROGRAM_ID);
    assert_eq!(account.data, vec![0; usize::try_from(request.size).unwrap()]);
    assert_eq!(account.lamports, lamports);
}

fn rent(svm: &Svm, request: &AccountRequest) -> u64 {
    svm.rent(usize::try_from(request.size).unwrap())
}

/// Calls of other programs that the transaction's only instruction made.
fn calls(sent: &TransactionMetadata) -> usize {
    sent.inner_instructions[0].len()
}

#[test]
fn each_account_is_as_if_it_had_been_created_alone() {
    let mut svm = Svm::new();
    let before = svm.lamports(&svm.payer.pubkey());
    let sent = svm.send(&[create(&svm, &requests())], &[]).unwrap();
    let mut paid = 0;
    for request in requests() {
        assert_created(&svm, &request, rent(&svm, &request));
        paid += rent(&svm, &request);
    }
    assert_eq!(svm.lamports(&svm.payer.pubkey()), before - paid - sent.fee);
    assert_eq!(calls(&sent) as u64, MEMBERS, "one trace entry each");
}

#[test]
fn a_list_of_none_or_one_is_a_list() {
    let mut svm = Svm::new();
    svm.send(&[create(&svm, &[])], &[]).unwrap();
    svm.send(&[create(&svm, &[request(0)])], &[]).unwrap();
    assert_created(&svm, &request(0), rent(&svm, &request(0)));
}

#[test]
fn lamports_sent_beforehand_and_accounts_too_short_are_no_obstacle() {
    let mut svm = Svm::new();
    let [fresh, prefunded, rich, short] = [0, 1, 2, 3].map(request);
    let (some, more) = (svm.rent(0), svm.rent(10_240));
    svm.fund(&address(&prefunded), some);
    svm.fund(&address(&rich), more);
    let griefed = AccountRequest {
        size: 0,
        ..short.clone()
    };
    svm.send(
        &[create_session_account(&SESSION_PROGRAM_ID, &svm.payer.pubkey(), &griefed).unwrap()],
        &[],
    )
    .unwrap();

    let all = [fresh, prefunded, rich, short];
    let sent = svm.send(&[create(&svm, &all)], &[]).unwrap();
    for (request, lamports) in all.iter().zip([None, None, Some(more), None]) {
        assert_created(&svm, request, lamports.unwrap_or(rent(&svm, request)));
    }
    // Create; transfer, allocate and assign; allocate and assign; transfer.
    assert_eq!(calls(&sent), 1 + 3 + 2 + 1);
}

/// Every error that a member can have, with what makes it.
#[test]
fn a_bad_member_is_named_and_nothing_is_created() {
    for place in [0, 3, usize::try_from(MEMBERS).unwrap() - 1] {
        let index = u32::try_from(place).unwrap();
        for (code, spoil) in member_flaws() {
            let mut svm = Svm::new();
            let mut instruction = create(&svm, &requests());
            spoil(&mut svm, &mut instruction, place);
            let refused = svm.chain_logs_of(&instruction);
            assert_eq!(svm.refusal(instruction, &[]), code * MEMBER_ERROR + index);
            let line = format!("Program log: session {place}: ");
            assert!(refused.iter().any(|log| log.starts_with(&line)), "{refused:?}");
            for (other, request) in requests().iter().enumerate() {
                assert!(other == place || svm.account(&address(request)).is_none());
            }
        }
    }
}

type MemberFlaw = (u32, fn(&mut Svm, &mut Instruction, usize));

fn member_flaws() -> [MemberFlaw; 6] {
    [
        (6_007, |_, instruction, place| {
            change(instruction, place, |request| request.session_id = "x".repeat(33));
        }),
        (6_009, |_, instruction, place| {
            change(instruction, place, |request| request.size = 10_241);
        }),
        (6_005, |_, instruction, place| {
            instruction.accounts[FIRST + place].is_writable = false;
        }),
        (6_008, |_, instruction, place| {
            instruction.accounts[FIRST + place].pubkey = Pubkey::new_unique();
        }),
        (6_010, |svm, _, place| {
            let longer = AccountRequest {
                size: 1_000,
                ..requests()[place].clone()
            };
            svm.send(&[create(svm, &[longer])], &[]).unwrap();
        }),
        (6_010, |svm, _, place| {
            svm.send(&[create(svm, &[requests()[place].clone()])], &[]).unwrap();
        }),
    ]
}

/// Changes one member's arguments and leaves the accounts.
fn change(instruction: &mut Instruction, place: usize, change: impl FnOnce(&mut AccountRequest)) {
    let mut requests = requests();
    change(&mut requests[place]);
    instruction.data.truncate(8);
    borsh::to_writer(&mut instruction.data, &requests).unwrap();
}

#[test]
fn the_same_session_twice_is_there_the_second_time() {
    let mut svm = Svm::new();
    let instruction = create(&svm, &[request(0), request(1), request(0)]);
    assert_eq!(svm.refusal(instruction, &[]), 6_010 * MEMBER_ERROR + 2);
    assert_eq!(svm.account(&address(&request(1))), None);
    // Asked for again and longer, it is grown: that is no mistake that could be told from a griefer's.
    let longer = AccountRequest {
        size: 500,
        ..request(0)
    };
    svm.send(&[create(&svm, &[request(0), longer.clone()])], &[]).unwrap();
    assert_created(&svm, &longer, rent(&svm, &longer));
}

#[test]
fn malformed_lists_are_refused_as_a_whole() {
    let mut svm = Svm::new();
    let good = create(&svm, &[request(0), request(1)]);
    let mut endless = good.clone();
    endless.data[8..12].fill(0xff);
    let mut no_utf8 = good.clone();
    no_utf8.data[8 + 4 + 32 + 4] = 0xff;
    for instruction in malformed(&good).into_iter().chain([endless, no_utf8]) {
        assert_eq!(svm.refusal(instruction, &[]), 6_001);
    }
}

#[test]
fn accounts_and_members_have_to_be_as_many() {
    let mut svm = Svm::new();
    let good = create(&svm, &[request(0), request(1)]);
    for count in 0..good.accounts.len() {
        let mut instruction = good.clone();
        instruction.accounts.truncate(count);
        assert_eq!(svm.refusal(instruction, &[]), 6_002);
    }
    let mut one_more = good.clone();
    one_more.accounts.push(AccountMeta::new(Pubkey::new_unique(), false));
    assert_eq!(svm.refusal(one_more, &[]), 6_014);
}

#[test]
fn payer_and_system_program_are_looked_at_first() {
    let mut svm = Svm::new();
    let wallet = svm.wallet(1_000_000_000);
    let mut instruction = create_session_accounts(&SESSION_PROGRAM_ID, &wallet.pubkey(), &requests()).unwrap();
    // From the last check to the first, each flaw beside those after it.
    instruction.accounts[FIRST].pubkey = Pubkey::new_unique();
    instruction.accounts.pop();
    assert_eq!(svm.refusal(instruction.clone(), &[&wallet]), 6_002);
    instruction.accounts[SYSTEM_PROGRAM].pubkey = HOSTILE_ID;
    assert_eq!(svm.refusal(instruction.clone(), &[&wallet]), 6_006);
    instruction.accounts[PAYER].is_writable = false;
    assert_eq!(svm.refusal(instruction.clone(), &[&wallet]), 6_004);
    instruction.accounts[PAYER].is_signer = false;
    assert_eq!(svm.refusal(instruction.clone(), &[]), 6_003);
    let cut = with_data(&instruction, &instruction.data[..20]);
    assert_eq!(svm.refusal(cut, &[]), 6_001);
    assert_eq!(svm.lamports(&wallet.pubkey()), 1_000_000_000);
}

#[test]
fn a_payer_whose_lamports_run_out_creates_nothing() {
    let mut svm = Svm::new();
    let wallet = svm.wallet(3 * rent(&svm, &request(7)));
    let instruction = create_session_accounts(&SESSION_PROGRAM_ID, &wallet.pubkey(), &requests()).unwrap();
    assert_eq!(svm.error(instruction, &[&wallet]), InstructionError::Custom(1));
    assert!(
        requests()
            .iter()
            .all(|request| svm.account(&address(request)).is_none())
    );
}

fn packed(svm: &Svm, requests: &[AccountRequest]) -> Instruction {
    create_session_accounts_packed(&SESSION_PROGRAM_ID, &svm.payer.pubkey(), requests).unwrap()
}

#[test]
fn a_packed_list_is_the_same_list() {
    let mut svm = Svm::new();
    // Owners that come back, in every order.
    let owners = [1, 2, 1, 3, 3, 2, 1, 4].map(|byte| Pubkey::new_from_array([byte; 32]));
    let requests: Vec<_> = requests()
        .into_iter()
        .zip(owners)
        .map(|(request, owner)| AccountRequest { owner, ..request })
        .collect();
    let instruction = packed(&svm, &requests);
    assert!(instruction.data.len() < create(&svm, &requests).data.len());
    let sent = svm.send(&[instruction], &[]).unwrap();
    assert_eq!(calls(&sent) as u64, MEMBERS);
    for request in &requests {
        assert_created(&svm, request, rent(&svm, request));
    }
    let again = packed(&svm, &requests[..3]);
    assert_eq!(
        svm.refusal(again, &[]),
        6_010 * MEMBER_ERROR,
        "its members have places too"
    );
    svm.send(&[packed(&svm, &[])], &[]).unwrap();
}

#[test]
fn a_packed_list_that_cannot_be_read_is_refused_as_a_whole() {
    let mut svm = Svm::new();
    let two = [request(0), request(1)];
    let good = packed(&svm, &two);
    // 8 of discriminator; 1 + 32 of owner, 1 + 9 of id, 2 of size; 1 of owner, 1 + 9 of id, 2 of size.
    assert_eq!(good.data.len(), 8 + 45 + 13);
    for length in 9..good.data.len() {
        let code = if length == 8 + 45 { 6_014 } else { 6_001 };
        assert_eq!(
            svm.refusal(with_data(&good, &good.data[..length]), &[]),
            code,
            "{length} bytes"
        );
    }
    let spoilt = [(8, 1), (8 + 45, 2), (8 + 33, 200), (8 + 34, 0xff)];
    for (place, byte) in spoilt {
        let mut instruction = good.clone();
        instruction.data[place] = byte;
        assert_eq!(svm.refusal(instruction, &[]), 6_001, "byte {place}");
    }
    let mut one_more = good.clone();
    one_more.data.extend([0, 1, b'x', 8, 0]);
    assert_eq!(svm.refusal(one_more, &[]), 6_002, "it has no account");
}

#[test]
fn sizes_and_ids_that_no_account_can_have_are_named_in_a_packed_list() {
    let mut svm = Svm::new();
    for (code, wrong) in [
        (
            6_009,
            AccountRequest {
                size: u64::MAX,
                ..request(1)
            },
        ),
        (
            6_009,
            AccountRequest {
                size: 10_241,
                ..request(1)
            },
        ),
    ] {
        let instruction = packed(&svm, &[request(0), wrong]);
        assert_eq!(svm.refusal(instruction, &[]), code * MEMBER_ERROR + 1);
    }
    let mut instruction = packed(&svm, &[request(0), request(1)]);
    instruction.data.truncate(8 + 45);
    instruction.data.extend([0, 33]);
    instruction.data.extend([b'x'; 33]);
    instruction.data.extend([8, 0]);
    assert_eq!(svm.refusal(instruction, &[]), 6_007 * MEMBER_ERROR + 1);
}
