//! The cluster is not as this client knows it: older prices, shorter slots, and what gateways make of a node's words.

use serde_json::{Value, json};
use session_engine::{EngineConfig, Outcome};
use session_tests::{
    chain::TestChain,
    creation::{CreationRig, LIMIT, assert_all_created, assert_all_there, requests},
    fault_proxy::{Fault, FaultProxy},
    wait,
};
use surfpool_sdk::SimnetCommand;
use surfpool_types::ClockCommand;

#[tokio::test(flavor = "multi_thread")]
async fn an_account_below_todays_minimum_is_verified() {
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

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_get_shorter_are_measured() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let slot_ms = |rig: &CreationRig| rig.engine.cluster().slots(1).as_millis();
    let measured = |low, high| {
        let rig = &rig;
        wait::until_true("the slot's time is measured", LIMIT, move || async move {
            // Every look at an account says its slot.
            assert_all_there(&rig.create(&requests(1, 10)).await);
            (low..high).contains(&slot_ms(rig))
        })
    };
    let surfnet = chain.as_embedded().unwrap().surfnet();
    for (set, low, high) in [(200, 180, 260), (400, 360, 460)] {
        let interval = ClockCommand::UpdateSlotInterval(set);
        surfnet
            .send_command(SimnetCommand::CommandClock(None, interval))
            .unwrap();
        measured(low, high).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateways_rounded_rent_epoch_hurts_nobody() {
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
fn statuses_with(first: Value) -> Fault {
    Fault::Result(json!({"context": {"slot": 1}, "value": [first]}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_cannot_be_read_decides_nothing() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    proxy.spoil_next("getSignatureStatuses", statuses_with(json!({"slot": "no number"})));
    assert_eq!(assert_all_created(&rig.create(&requests(5, 300)).await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_in_a_block_that_did_not_run_is_made_again() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    for not_run in [
        json!({"slot": 1, "confirmations": null, "confirmationStatus": "finalized"}),
        json!({"slot": 1, "confirmations": null, "confirmationStatus": "finalized", "err": "InsufficientFundsForFee"}),
    ] {
        proxy.spoil_next("sendTransaction", Fault::Swallow);
        proxy.spoil_next("getSignatureStatuses", statuses_with(not_run));
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
