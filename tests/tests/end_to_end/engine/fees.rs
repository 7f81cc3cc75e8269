//! A cluster whose blocks are full: what offers too little for its compute units goes nowhere.

use std::time::Duration;

use serde_json::json;
use session_engine::{CreationRequest, EngineConfig, Policy};
use session_tests::{
    chain::TestChain,
    creation::{Answer, CreationRig, requests},
    fault_proxy::{Fault, FaultProxy},
};
use tokio::time::Instant;

/// A chain behind a proxy that drops what is too cheap, and an engine that pays `cap` lamports of priority fee at most. To
/// whoever asks for it the block height is past every blockhash's life, so that what is not known has expired.
async fn congested(least_price: u64, cap: u64) -> (TestChain, FaultProxy, CreationRig) {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let policy = Policy {
        max_priority_fee_lamports: cap,
        ..Policy::default()
    };
    let config = EngineConfig {
        policy,
        ..EngineConfig::default()
    };
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, config).await;
    let later = json!({"absoluteSlot": 1, "blockHeight": 1_000_000});
    proxy.spoil_all("getEpochInfo", Fault::Result(later));
    proxy.drop_under(least_price);
    (chain, proxy, rig)
}

/// Asks again and again, as a queue does, until all have their accounts or the time is over.
async fn insist(rig: &CreationRig, wanted: &[CreationRequest], limit: Duration) -> Vec<Answer> {
    let until = Instant::now() + limit;
    loop {
        let answers = rig.create(wanted).await;
        if answers.iter().all(Result::is_ok) || Instant::now() >= until {
            return answers;
        }
    }
}

pub(crate) async fn the_price_climbs_until_everything_lands_under_the_cap() {
    const LEAST: u64 = 50_000;
    const CAP: u64 = 100_000;
    let (_chain, proxy, rig) = congested(LEAST, CAP).await;
    let batches: Vec<_> = (0..3).map(|_| requests(10, 100)).collect();
    let balance = rig.balance().await;
    let limit = Duration::from_mins(2);
    let all = futures::future::join_all(batches.iter().map(|batch| insist(&rig, batch, limit))).await;
    assert!(all.iter().flatten().all(Result::is_ok), "{all:?}");
    let prices: Vec<u64> = proxy
        .offers()
        .iter()
        .map(session_tests::fault_proxy::Offer::micro_lamports_per_unit)
        .collect();
    println!("prices in their order: {prices:?}");
    // Fees are whole lamports, so that prices of the same step differ by a few micro-lamports.
    assert!(
        prices[0] < LEAST && prices.is_sorted_by_key(|price| price / 1_000),
        "{prices:?}"
    );
    let last = *prices.last().unwrap();
    assert!(
        (LEAST..4 * LEAST).contains(&last),
        "it climbs no further than it must: {prices:?}"
    );
    assert!(proxy.offers().iter().all(|offer| offer.lamports <= CAP));
    let landed = proxy
        .offers()
        .into_iter()
        .filter(|offer| offer.micro_lamports_per_unit() >= LEAST);
    let fees: u64 = landed.map(|offer| 5_000 + offer.lamports).sum();
    let rent = rig.rent_of(&batches.concat()).await;
    assert_eq!(balance - rig.balance().await, rent + fees, "what expired cost nothing");
}

pub(crate) async fn the_cap_holds_where_the_price_would_climb_over_it() {
    const CAP: u64 = 600;
    let (_chain, proxy, rig) = congested(1_000_000, CAP).await;
    let wanted = requests(10, 100);
    let balance = rig.balance().await;
    let limit = Duration::from_secs(45);
    for answer in insist(&rig, &wanted, limit).await {
        let error = answer.unwrap_err();
        assert_eq!(error.reason_code(), "no_time_left", "it waits, and is not dead");
    }
    let fees: Vec<u64> = proxy.offers().iter().map(|offer| offer.lamports).collect();
    println!("fees in their order: {fees:?}");
    assert_eq!(fees.iter().max(), Some(&CAP), "{fees:?}");
    assert_eq!(rig.balance().await, balance);
}
