//! The wallet cannot be drained.

use std::sync::Arc;

use session_engine::{CreationError, Deferral, EngineConfig, Outcome, Policy};
use session_ledger::{InMemoryLedger, Ledger, Limits};
use session_tests::{
    chain::TestChain,
    creation::{Answer, CreationRig, assert_all_created, requests},
};

/// Rent of the largest account on a chain with mainnet's price.
const LARGEST_RENT: u64 = (10_240 + 128) * 6_960;

async fn rig(chain: &TestChain, lamports: u64, policy: Policy) -> CreationRig {
    let config = EngineConfig {
        policy,
        ..EngineConfig::default()
    };
    CreationRig::start_at(chain, vec![chain.endpoint()], lamports, config).await
}

/// An engine of 100 SOL under these limits.
async fn limited(chain: &TestChain, limits: Limits, policy: Policy) -> CreationRig {
    let config = EngineConfig {
        policy,
        ..EngineConfig::default()
    };
    let wallet = chain.wallet(100_000_000_000).await;
    let ledger = Arc::new(InMemoryLedger::new(limits));
    CreationRig::start_on_ledger(chain, vec![chain.endpoint()], wallet, config, ledger).await
}

/// Fails unless nothing is held, and the books' spending is what left the wallet, to the lamport.
async fn assert_books_agree(rig: &CreationRig, balance_before: u64) {
    let sums = rig.ledger.summary(session_clock::now()).await.unwrap().total;
    assert_eq!(sums.held_lamports, 0);
    assert_eq!(sums.spent_lamports(), balance_before - rig.balance().await);
}

fn created(answers: &[Answer]) -> usize {
    answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Outcome::Created { .. })))
        .count()
}

pub(crate) async fn a_flood_of_expensive_requests_stops_at_the_budget() {
    let chain = TestChain::embedded().await;
    let budget = 10 * LARGEST_RENT + 4_999;
    let limits = Limits {
        lamports_per_hour: Some(budget),
        ..Limits::default()
    };
    let rig = limited(&chain, limits, Policy::default()).await;
    let balance = rig.balance().await;
    let answers = rig.create(&requests(10_000, 10_240)).await;
    assert_eq!(
        created(&answers),
        9,
        "the tenth would be one lamport of the fee over the budget"
    );
    for answer in &answers {
        match answer {
            Ok(_) => {}
            Err(CreationError::Deferred {
                reason: Deferral::HourlyBudget { limit, .. },
                ..
            }) => assert_eq!(*limit, budget),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(balance - rig.balance().await <= budget);
    assert_books_agree(&rig, balance).await;
}

pub(crate) async fn the_wallet_keeps_its_reserve() {
    let chain = TestChain::embedded().await;
    let reserve = 300_000_000;
    let policy = Policy {
        wallet_reserve_lamports: reserve,
        ..Policy::default()
    };
    let rig = rig(&chain, 1_000_000_000, policy).await;
    let wanted = requests(60, 10_240);
    let (one, other) = tokio::join!(rig.create(&wanted[..30]), rig.create(&wanted[30..]));
    let answers = [one, other].concat();
    let left = rig.balance().await;
    assert!(left >= reserve, "{left} lamports are left");
    assert!(
        left < reserve + 2 * LARGEST_RENT,
        "it stopped too early, at {left} lamports"
    );
    let refused = answers.iter().find_map(|answer| answer.as_ref().err()).unwrap();
    assert_eq!(refused.reason_code(), "wallet_reserve");
    assert!(refused.to_string().contains(&reserve.to_string()), "{refused}");
}

pub(crate) async fn one_session_owner_cannot_spend_everybodys_budget() {
    let chain = TestChain::embedded().await;
    let limits = Limits {
        lamports_per_requester_per_hour: Some(3 * LARGEST_RENT),
        ..Limits::default()
    };
    let rig = limited(&chain, limits, Policy::default()).await;
    let (greedy, modest) = (requests(10, 10_240), requests(2, 10_240));
    let answers = rig.create(&[greedy, modest].concat()).await;
    assert_eq!(created(&answers[..10]), 2);
    assert_all_created(&answers[10..]);
    let refused = answers.iter().find_map(|answer| answer.as_ref().err()).unwrap();
    assert_eq!(refused.reason_code(), "requester_budget");
}

pub(crate) async fn what_was_not_spent_is_free_again() {
    let chain = TestChain::embedded().await;
    let budget = 2 * LARGEST_RENT;
    let limits = Limits {
        lamports_per_hour: Some(budget),
        ..Limits::default()
    };
    let policy = Policy {
        max_account_size: 20_000,
        ..Policy::default()
    };
    let rig = limited(&chain, limits, policy).await;
    let balance = rig.balance().await;
    // The program refuses these, after the budget was charged.
    for _ in 0..3 {
        let error = rig.create(&requests(1, 10_241)).await.remove(0).unwrap_err();
        assert_eq!(error.reason_code(), "refused_by_program");
    }
    assert_all_created(&rig.create(&requests(1, 10_240)).await);
    assert_books_agree(&rig, balance).await;
}

pub(crate) async fn a_low_wallet_is_reported_before_it_is_empty() {
    let chain = TestChain::embedded().await;
    let policy = Policy {
        wallet_low_lamports: 500_000_000,
        ..Policy::default()
    };
    let rig = rig(&chain, 550_000_000, policy).await;
    assert!(!rig.engine.wallets()[0].is_low);
    assert_all_created(&rig.create(&requests(1, 10_240)).await);
    // The look-up of the next batch reads the wallet as well.
    assert_all_created(&rig.create(&requests(1, 100)).await);
    let wallet = rig.engine.wallets()[0];
    assert!(wallet.is_low, "{wallet:?}");
}
