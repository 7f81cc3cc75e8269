//! The cluster is not as this client knows it: older prices, shorter slots, and what gateways make of a node's words.

use std::time::Duration;

use serde_json::{Value, json};
use session_engine::{EngineConfig, Outcome};
use session_tests::{
    chain::TestChain,
    creation::{CreationRig, assert_all_created, assert_all_there, requests},
    fault_proxy::{Fault, FaultProxy},
    wait,
};
use surfpool_sdk::SimnetCommand;
use surfpool_types::ClockCommand;
use tokio::time::Instant;

pub(crate) async fn an_account_below_todays_minimum_is_verified() {
    let chain = TestChain::embedded().await;
    chain.set_rent(1_000);
    let rig = CreationRig::start(&chain).await;
    let cheap = requests(3, 300);
    assert_all_created(&rig.create(&cheap).await);
    chain.set_rent(6_960);
    for answer in rig.create(&cheap).await {
        assert_eq!(answer.unwrap(), Outcome::AlreadyExisted);
    }
    let dear = requests(3, 300);
    assert_all_created(&rig.create(&dear).await);
    assert_eq!(rig.engine.cluster().rent().lamports_per_byte(), 6_960);
    assert!(rig.rent_of(&dear).await > 6 * rig.rent_of(&cheap).await);
}

pub(crate) async fn slots_that_get_shorter_are_measured() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let mut of_the_chain = Vec::new();
    for interval_ms in [400, 200] {
        let interval = ClockCommand::UpdateSlotInterval(interval_ms);
        let surfnet = chain.as_embedded().unwrap().surfnet();
        surfnet
            .send_command(SimnetCommand::CommandClock(None, interval))
            .unwrap();
        let slot_time = wait::until(
            "the engine's slot time is the chain's",
            Duration::from_mins(2),
            || async {
                let slot_time = slot_time_meanwhile(&chain, &rig).await;
                let ratio = rig.engine.cluster().slots(1).as_secs_f64() / slot_time.as_secs_f64();
                println!(
                    "set {interval_ms} ms, chain {slot_time:?}, engine {:?}",
                    rig.engine.cluster().slots(1)
                );
                (0.85..1.15).contains(&ratio).then_some(slot_time)
            },
        )
        .await;
        of_the_chain.push(slot_time);
    }
    assert!(
        of_the_chain[1] < of_the_chain[0] * 3 / 4,
        "the chain got no faster: {of_the_chain:?}"
    );
}

/// The chain's slot time over 40 of its slots, by its own word, while the engine creates accounts.
async fn slot_time_meanwhile(chain: &TestChain, rig: &CreationRig) -> Duration {
    let slot = || async { chain.rpc().get_slot().await.unwrap() };
    let (started, first) = (Instant::now(), slot().await);
    loop {
        assert_all_there(&rig.create(&requests(1, 10)).await);
        let slots = slot().await - first;
        if slots >= 40 {
            return started.elapsed() / u32::try_from(slots).unwrap();
        }
    }
}

pub(crate) async fn a_gateways_rounded_rent_epoch_hurts_nobody() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    proxy.rewrite(
        "\"rentEpoch\":18446744073709551615",
        "\"rentEpoch\":18446744073709552000",
    );
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    let wanted = requests(10, 300);
    assert_all_created(&rig.create(&wanted).await);
    rig.assert_created(&wanted).await;
}

/// A status of another transaction in the same chunk that nobody can read.
fn statuses_with(first: &Value) -> Fault {
    Fault::Result(json!({"context": {"slot": 1}, "value": [first]}))
}

pub(crate) async fn a_status_that_cannot_be_read_decides_nothing() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    proxy.spoil_next("getSignatureStatuses", statuses_with(&json!({"slot": "no number"})));
    assert_eq!(assert_all_created(&rig.create(&requests(5, 300)).await), 1);
}

pub(crate) async fn a_transaction_in_a_block_that_did_not_run_is_made_again() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    for not_run in [
        json!({"slot": 1, "confirmations": null, "confirmationStatus": "finalized"}),
        json!({"slot": 1, "confirmations": null, "confirmationStatus": "finalized", "err": "InsufficientFundsForFee"}),
    ] {
        proxy.spoil_next("sendTransaction", Fault::Swallow);
        proxy.spoil_next("getSignatureStatuses", statuses_with(&not_run));
        let sent = proxy.requests("sendTransaction");
        let wanted = requests(5, 300);
        let balance = rig.balance().await;
        assert_eq!(assert_all_created(&rig.create(&wanted).await), 1);
        assert!(
            proxy.requests("sendTransaction") >= sent + 2,
            "another transaction was signed"
        );
        assert_eq!(balance - rig.balance().await, rig.rent_of(&wanted).await + 5_000);
    }
}
