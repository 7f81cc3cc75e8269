//! What every ledger does, wherever its books are kept. Included by the tests of each.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use session_ledger::{
    Fate, HoldAnswer, HoldId, HoldRequest, Ledger, LedgerError, Limits, Member, Refusal, Rent, SentTransaction,
    Settlement, Spending, Sums, WalletReading,
};
use solana_pubkey::Pubkey;
use solana_signature::Signature;

/// The limits of the ledger that a case runs on.
pub(crate) const LIMITS: Limits = Limits {
    lamports_per_hour: Some(1_000),
    lamports_per_requester_per_hour: Some(400),
};
const ALICE: Pubkey = Pubkey::new_from_array([1; 32]);
const BOB: Pubkey = Pubkey::new_from_array([2; 32]);
const CAROL: Pubkey = Pubkey::new_from_array([3; 32]);
const WALLET: Pubkey = Pubkey::new_from_array([9; 32]);
const HOUR: Duration = Duration::from_hours(1);

/// A case, which panics where a ledger does otherwise.
pub(crate) type Case = fn(Arc<dyn Ledger>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// Every case, with its name.
        pub(crate) const CASES: &[(&str, Case)] = &[$((stringify!($name), |ledger| Box::pin($name(ledger)))),+];
    };
}

cases![
    a_hold_takes_from_the_budget_and_a_landing_keeps_it,
    what_was_not_spent_is_free_again,
    a_budget_is_refused_to_the_lamport_with_the_moment_of_room,
    a_promise_holds,
    one_requester_does_not_use_up_the_others,
    all_that_stands_against_a_hold_is_said,
    a_question_may_be_asked_again,
    a_fate_counts_once,
    two_holds_for_one_address_exclude_each_other,
    nothing_is_sent_for_a_hold_that_was_given_up,
    a_sent_transaction_cannot_be_given_up,
    a_hold_has_one_transaction,
    open_transactions_are_known_to_everybody,
    what_was_created_is_not_created_again_by_the_same_event,
    a_creation_that_its_fork_took_along_may_come_again,
    the_wallet_keeps_its_reserve_over_all_holds,
    exact_spending_replaces_what_was_held,
    a_hold_needs_members,
    ten_at_once_never_hold_more_than_the_budget,
];

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn pda(number: u8) -> Pubkey {
    Pubkey::new_from_array([100 + number; 32])
}

fn member(number: u8, requester: Pubkey, rent_lamports: u64) -> Member {
    Member {
        pda: pda(number),
        requester,
        rent_lamports,
        asked_at_slot: Some(10),
    }
}

fn request(members: Vec<Member>) -> HoldRequest {
    HoldRequest {
        id: HoldId::random(),
        wallet: WALLET,
        members,
        fee_lamports: 10,
        wallet_reading: None,
    }
}

fn sent(number: u8) -> SentTransaction {
    SentTransaction {
        signature: Signature::from([number; 64]),
        last_valid_block_height: 150,
    }
}

const LANDED: Fate = Fate::Landed { slot: 20, spent: None };

async fn held(ledger: &Arc<dyn Ledger>, request: HoldRequest, now: SystemTime) -> HoldId {
    let id = request.id;
    let answer = ledger.hold(request, now).await.unwrap();
    assert!(matches!(answer, HoldAnswer::Held { .. }), "{answer:?}");
    id
}

/// Holds, signs and lands.
async fn landed(ledger: &Arc<dyn Ledger>, request: HoldRequest, number: u8, now: SystemTime) -> HoldId {
    let id = held(ledger, request, now).await;
    ledger.attach(id, sent(number), now).await.unwrap();
    let settlement = ledger.settle(id, LANDED, now).await.unwrap();
    assert!(matches!(settlement, Settlement::Now { .. }), "{settlement:?}");
    id
}

async fn refused(ledger: &Arc<dyn Ledger>, request: HoldRequest, now: SystemTime) -> Vec<Refusal> {
    match ledger.hold(request, now).await.unwrap() {
        HoldAnswer::Held { .. } => panic!("it was held"),
        HoldAnswer::Refused(refusals) => refusals,
    }
}

async fn a_hold_takes_from_the_budget_and_a_landing_keeps_it(ledger: Arc<dyn Ledger>) {
    let members = vec![member(1, ALICE, 100), member(2, BOB, 200)];
    let id = held(&ledger, request(members), now()).await;
    let summary = ledger.summary(now()).await.unwrap();
    let held_sums = Sums {
        held_lamports: 310,
        budget_left_lamports: Some(690),
        ..Sums::default()
    };
    assert_eq!((summary.total, summary.open_holds), (held_sums, 1));
    ledger.attach(id, sent(1), now()).await.unwrap();
    assert_eq!(
        ledger.settle(id, LANDED, now()).await.unwrap(),
        Settlement::Now { spent_lamports: 310 }
    );
    let summary = ledger.summary(now()).await.unwrap();
    let spent = Sums {
        locked_lamports: 300,
        fee_lamports: 10,
        budget_left_lamports: Some(690),
        ..Sums::default()
    };
    assert_eq!((summary.total, summary.open_holds), (spent, 0));
    let alice = Sums {
        locked_lamports: 100,
        fee_lamports: 5,
        budget_left_lamports: Some(295),
        ..Sums::default()
    };
    assert_eq!(summary.requesters[&ALICE], alice);
    assert_eq!(summary.requesters[&BOB].spent_lamports(), 205);
}

async fn what_was_not_spent_is_free_again(ledger: Arc<dyn Ledger>) {
    let failed = Fate::Failed {
        slot: 20,
        fee_lamports: None,
    };
    for (number, fate, spent) in [(1, Fate::Expired, 0), (2, Fate::Refused, 0), (3, failed, 10)] {
        let id = held(&ledger, request(vec![member(number, ALICE, 300)]), now()).await;
        ledger.attach(id, sent(number), now()).await.unwrap();
        let settlement = ledger.settle(id, fate, now()).await.unwrap();
        assert_eq!(settlement, Settlement::Now { spent_lamports: spent });
    }
    let id = held(&ledger, request(vec![member(4, ALICE, 300)]), now()).await;
    ledger.settle(id, Fate::Abandoned, now()).await.unwrap();
    let total = ledger.summary(now()).await.unwrap().total;
    assert_eq!((total.spent_lamports(), total.held_lamports), (10, 0));
}

async fn a_budget_is_refused_to_the_lamport_with_the_moment_of_room(ledger: Arc<dyn Ledger>) {
    for (number, requester) in [(1, ALICE), (2, BOB)] {
        landed(&ledger, request(vec![member(number, requester, 390)]), number, now()).await;
    }
    let later = now() + HOUR / 2;
    landed(&ledger, request(vec![member(3, CAROL, 189)]), 3, later).await;
    let refusals = refused(&ledger, request(vec![member(4, CAROL, 0)]), later).await;
    let [
        Refusal::Budget {
            spent: 999,
            requested: 10,
            limit: 1_000,
            room_at: Some(room_at),
        },
    ] = refusals[..]
    else {
        panic!("{refusals:?}");
    };
    assert!(room_at >= now() + HOUR && room_at <= now() + HOUR + Duration::from_mins(1));
    let never = refused(&ledger, request(vec![member(4, CAROL, 2_000)]), later).await;
    assert!(matches!(never[0], Refusal::Budget { room_at: None, .. }), "{never:?}");
}

async fn a_promise_holds(ledger: Arc<dyn Ledger>) {
    landed(&ledger, request(vec![member(1, ALICE, 390)]), 1, now()).await;
    let refusals = refused(&ledger, request(vec![member(2, ALICE, 390)]), now()).await;
    let [Refusal::RequesterBudget { room_at: Some(at), .. }] = refusals[..] else {
        panic!("{refusals:?}");
    };
    let early = at - Duration::from_secs(1);
    refused(&ledger, request(vec![member(2, ALICE, 390)]), early).await;
    held(&ledger, request(vec![member(2, ALICE, 390)]), at).await;
}

async fn one_requester_does_not_use_up_the_others(ledger: Arc<dyn Ledger>) {
    landed(&ledger, request(vec![member(1, ALICE, 390)]), 1, now()).await;
    let refusals = refused(&ledger, request(vec![member(2, ALICE, 1)]), now()).await;
    assert!(
        matches!(
            refusals[..],
            [Refusal::RequesterBudget {
                requester: ALICE,
                spent: 400,
                ..
            }]
        ),
        "{refusals:?}"
    );
    landed(&ledger, request(vec![member(2, BOB, 390)]), 2, now()).await;
}

async fn all_that_stands_against_a_hold_is_said(ledger: Arc<dyn Ledger>) {
    let other = held(&ledger, request(vec![member(1, ALICE, 390)]), now()).await;
    let mut wanted = request(vec![
        member(1, ALICE, 300),
        member(2, BOB, 390),
        member(3, CAROL, 1_000),
    ]);
    wanted.wallet_reading = Some(WalletReading {
        balance_lamports: 500,
        slot: 1,
        reserve_lamports: 50,
    });
    let refusals = refused(&ledger, wanted, now()).await;
    assert!(refusals.contains(&Refusal::Busy {
        pda: pda(1),
        hold: other
    }));
    let requesters: Vec<Pubkey> = refusals
        .iter()
        .filter_map(|refusal| match refusal {
            Refusal::RequesterBudget { requester, .. } => Some(*requester),
            _ => None,
        })
        .collect();
    assert_eq!(requesters, [ALICE, CAROL]);
    assert!(
        refusals
            .iter()
            .any(|refusal| matches!(refusal, Refusal::Budget { spent: 400, .. }))
    );
    assert!(
        refusals
            .iter()
            .any(|refusal| matches!(refusal, Refusal::WalletReserve { available: 100, .. }))
    );
    assert_eq!(ledger.summary(now()).await.unwrap().total.held_lamports, 400);
}

async fn a_question_may_be_asked_again(ledger: Arc<dyn Ledger>) {
    let wanted = request(vec![member(1, ALICE, 300)]);
    let id = held(&ledger, wanted.clone(), now()).await;
    held(&ledger, wanted.clone(), now()).await;
    assert_eq!(ledger.summary(now()).await.unwrap().total.held_lamports, 310);
    ledger.attach(id, sent(1), now()).await.unwrap();
    ledger.attach(id, sent(1), now()).await.unwrap();
    let other = HoldRequest {
        fee_lamports: 11,
        ..wanted
    };
    let taken = ledger.hold(other, now()).await;
    assert!(matches!(taken, Err(LedgerError::NameTaken { .. })), "{taken:?}");
}

async fn a_fate_counts_once(ledger: Arc<dyn Ledger>) {
    let id = landed(&ledger, request(vec![member(1, ALICE, 300)]), 1, now()).await;
    for fate in [LANDED, Fate::Expired] {
        assert_eq!(
            ledger.settle(id, fate, now()).await.unwrap(),
            Settlement::Before(LANDED)
        );
    }
    let total = ledger.summary(now()).await.unwrap().total;
    assert_eq!((total.spent_lamports(), total.held_lamports), (310, 0));
    let unknown = ledger.settle(HoldId::random(), LANDED, now()).await;
    assert!(matches!(unknown, Err(LedgerError::UnknownHold { .. })), "{unknown:?}");
}

async fn two_holds_for_one_address_exclude_each_other(ledger: Arc<dyn Ledger>) {
    let first = held(&ledger, request(vec![member(1, ALICE, 10)]), now()).await;
    let refusals = refused(
        &ledger,
        request(vec![member(1, ALICE, 10), member(2, ALICE, 10)]),
        now(),
    )
    .await;
    assert_eq!(
        refusals,
        [Refusal::Busy {
            pda: pda(1),
            hold: first
        }]
    );
    ledger.settle(first, Fate::Abandoned, now()).await.unwrap();
    held(&ledger, request(vec![member(1, ALICE, 10)]), now()).await;
}

async fn nothing_is_sent_for_a_hold_that_was_given_up(ledger: Arc<dyn Ledger>) {
    let id = held(&ledger, request(vec![member(1, ALICE, 10)]), now()).await;
    ledger.settle(id, Fate::Abandoned, now()).await.unwrap();
    let late = ledger.attach(id, sent(1), now()).await;
    assert!(matches!(late, Err(LedgerError::SettledAlready { .. })), "{late:?}");
}

async fn a_sent_transaction_cannot_be_given_up(ledger: Arc<dyn Ledger>) {
    let id = held(&ledger, request(vec![member(1, ALICE, 10)]), now()).await;
    let early = ledger.settle(id, LANDED, now()).await;
    assert!(matches!(early, Err(LedgerError::NeverSent { .. })), "{early:?}");
    ledger.attach(id, sent(1), now()).await.unwrap();
    let given_up = ledger.settle(id, Fate::Abandoned, now()).await;
    assert!(matches!(given_up, Err(LedgerError::AlreadySent { .. })), "{given_up:?}");
    assert_eq!(ledger.open().await.unwrap().len(), 1);
}

async fn a_hold_has_one_transaction(ledger: Arc<dyn Ledger>) {
    let id = held(&ledger, request(vec![member(1, ALICE, 10)]), now()).await;
    ledger.attach(id, sent(1), now()).await.unwrap();
    let second = ledger.attach(id, sent(2), now()).await;
    assert!(matches!(second, Err(LedgerError::AlreadySent { .. })), "{second:?}");
}

async fn open_transactions_are_known_to_everybody(ledger: Arc<dyn Ledger>) {
    let first = held(&ledger, request(vec![member(1, ALICE, 10)]), now()).await;
    let later = now() + Duration::from_secs(1);
    let second = held(&ledger, request(vec![member(2, BOB, 10)]), later).await;
    ledger.attach(second, sent(2), later).await.unwrap();
    let open = ledger.open().await.unwrap();
    let ids: Vec<HoldId> = open.iter().map(|hold| hold.id).collect();
    assert_eq!(ids, [first, second]);
    assert_eq!((open[0].sent, open[1].sent), (None, Some(sent(2))));
    assert_eq!(open[0].age(later), Duration::from_secs(1));
    let known = ledger.addresses(&[pda(2), pda(3)]).await.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(known[&pda(2)].open, Some(second));
    assert_eq!(ledger.open_hold(second).await.unwrap(), Some(open[1].clone()));
    ledger.settle(second, Fate::Expired, later).await.unwrap();
    assert_eq!(ledger.open_hold(second).await.unwrap(), None);
    assert_eq!(ledger.addresses(&[pda(2)]).await.unwrap()[&pda(2)].open, None);
}

async fn what_was_created_is_not_created_again_by_the_same_event(ledger: Arc<dyn Ledger>) {
    landed(&ledger, request(vec![member(1, ALICE, 100)]), 1, now()).await;
    for asked_at_slot in [Some(10), Some(20), None] {
        let mut again = member(1, ALICE, 100);
        again.asked_at_slot = asked_at_slot;
        let refusals = refused(&ledger, request(vec![again]), now()).await;
        let (signature, slot) = (sent(1).signature, 20);
        assert_eq!(
            refusals,
            [Refusal::CreatedBefore {
                pda: pda(1),
                signature,
                slot
            }]
        );
    }
    let total = ledger.summary(now()).await.unwrap().total;
    assert_eq!(
        (total.locked_lamports, total.lost_lamports),
        (0, 100),
        "it is gone, and counted once"
    );
    let mut anew = member(1, ALICE, 100);
    anew.asked_at_slot = Some(21);
    landed(&ledger, request(vec![anew]), 2, now()).await;
    let alice = ledger.summary(now()).await.unwrap().requesters[&ALICE];
    assert_eq!((alice.locked_lamports, alice.lost_lamports), (100, 100));
    assert_eq!(alice.budget_left_lamports, Some(400 - 220));
}

async fn a_creation_that_its_fork_took_along_may_come_again(ledger: Arc<dyn Ledger>) {
    landed(&ledger, request(vec![member(1, ALICE, 100)]), 1, now()).await;
    ledger.retract(pda(1), sent(9).signature, now()).await.unwrap();
    assert_eq!(ledger.summary(now()).await.unwrap().total.locked_lamports, 100);
    ledger.retract(pda(1), sent(1).signature, now()).await.unwrap();
    assert_eq!(ledger.summary(now()).await.unwrap().total.locked_lamports, 0);
    landed(&ledger, request(vec![member(1, ALICE, 100)]), 2, now()).await;
    let total = ledger.summary(now()).await.unwrap().total;
    assert_eq!((total.locked_lamports, total.lost_lamports), (100, 0));
}

async fn the_wallet_keeps_its_reserve_over_all_holds(ledger: Arc<dyn Ledger>) {
    let reading = |slot| {
        Some(WalletReading {
            balance_lamports: 500,
            slot,
            reserve_lamports: 100,
        })
    };
    let with = |number, requester, rent, slot| {
        let mut wanted = request(vec![member(number, requester, rent)]);
        wanted.wallet_reading = reading(slot);
        wanted
    };
    let id = held(&ledger, with(1, ALICE, 190, 19), now()).await;
    let refusals = refused(&ledger, with(2, BOB, 191, 19), now()).await;
    assert!(
        matches!(
            refusals[..],
            [Refusal::WalletReserve {
                available: 300,
                requested: 201,
                ..
            }]
        ),
        "{refusals:?}"
    );
    ledger.attach(id, sent(1), now()).await.unwrap();
    ledger.settle(id, LANDED, now()).await.unwrap();
    refused(&ledger, with(2, BOB, 191, 19), now()).await;
    held(&ledger, with(2, BOB, 191, 20), now()).await;
}

async fn exact_spending_replaces_what_was_held(ledger: Arc<dyn Ledger>) {
    let id = held(
        &ledger,
        request(vec![member(1, ALICE, 100), member(2, BOB, 100)]),
        now(),
    )
    .await;
    ledger.attach(id, sent(1), now()).await.unwrap();
    let rent = |number, lamports| Rent {
        pda: pda(number),
        lamports,
    };
    let spent = Spending {
        fee_lamports: 7,
        rents: vec![rent(1, 90), rent(2, 100)],
    };
    let fate = Fate::Landed {
        slot: 20,
        spent: Some(spent),
    };
    let settlement = ledger.settle(id, fate, now()).await.unwrap();
    assert_eq!(settlement, Settlement::Now { spent_lamports: 197 });
    let summary = ledger.summary(now()).await.unwrap();
    assert_eq!(summary.total.budget_left_lamports, Some(803));
    assert_eq!(
        summary.requesters[&ALICE].spent_lamports(),
        94,
        "the odd lamport is the first one's"
    );
    assert_eq!(summary.requesters[&BOB].spent_lamports(), 103);
}

async fn a_hold_needs_members(ledger: Arc<dyn Ledger>) {
    let none = ledger.hold(request(Vec::new()), now()).await;
    assert!(matches!(none, Err(LedgerError::MemberCount { members: 0 })), "{none:?}");
    let twice = ledger
        .hold(request(vec![member(1, ALICE, 1), member(1, ALICE, 1)]), now())
        .await;
    assert!(matches!(twice, Err(LedgerError::MemberTwice { .. })), "{twice:?}");
}

async fn ten_at_once_never_hold_more_than_the_budget(ledger: Arc<dyn Ledger>) {
    let asking: Vec<_> = (0..10)
        .map(|number| {
            let ledger = Arc::clone(&ledger);
            let requester = [ALICE, BOB, CAROL][usize::from(number) % 3];
            let wanted = request(vec![member(number, requester, 140)]);
            tokio::spawn(async move { ledger.hold(wanted, now()).await.unwrap() })
        })
        .collect();
    let mut granted = 0;
    for asked in asking {
        granted += u64::from(matches!(asked.await.unwrap(), HoldAnswer::Held { .. }));
    }
    assert_eq!(granted, 6, "two of 150 lamports for each of three requesters");
    let total = ledger.summary(now()).await.unwrap().total;
    assert_eq!(total.held_lamports, 150 * granted);
}
