//! Compute units: transactions are sized by what a node's simulation took, and what was too little is raised.

use serde_json::json;
use session_engine::EngineConfig;
use session_tests::{
    chain::TestChain,
    creation::{CreationRig, assert_all_created, requests},
    fault_proxy::{Fault, FaultProxy},
};

/// A simulation that succeeds with so many units.
fn took(units: u64) -> Fault {
    Fault::Result(json!({"context": {"slot": 1}, "value": {"err": null, "logs": [], "unitsConsumed": units}}))
}

/// A chain, a proxy before it whose first simulation is spoilt, and an engine.
async fn rig_after(simulation: Fault) -> (TestChain, FaultProxy, CreationRig) {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    proxy.spoil_next("simulateTransaction", simulation);
    (chain, proxy, rig)
}

pub(crate) async fn too_few_units_are_raised_and_the_transaction_stays_whole() {
    let (_chain, proxy, rig) = rig_after(took(1)).await;
    let (wanted, before) = (requests(10, 300), proxy.requests("simulateTransaction"));
    assert_eq!(assert_all_created(&rig.create(&wanted).await), 1);
    rig.assert_created(&wanted).await;
    let simulations = proxy.requests("simulateTransaction") - before;
    assert_eq!(simulations, 2, "what was told is not believed after it was too little");
    assert_eq!(proxy.requests("sendTransaction"), 2);
}

pub(crate) async fn a_program_that_takes_more_gets_fewer_creations_into_a_transaction_and_is_asked_once() {
    const MEMBERS: u64 = 40;
    // With a margin of a quarter 18 of them fit into the units of a transaction.
    let (_chain, proxy, rig) = rig_after(took(MEMBERS * 60_000)).await;
    let before = proxy.requests("simulateTransaction");
    for _ in 0..2 {
        let wanted = requests(40, 100);
        assert_eq!(assert_all_created(&rig.create(&wanted).await), 3);
        rig.assert_created(&wanted).await;
    }
    assert_eq!(proxy.requests("simulateTransaction") - before, 1);
}

pub(crate) async fn a_node_that_simulates_nothing_is_no_hindrance() {
    let (_chain, proxy, rig) = rig_after(Fault::Status(501, None)).await;
    proxy.spoil_all("simulateTransaction", Fault::Error(-32_601, json!(null)));
    assert_eq!(assert_all_created(&rig.create(&requests(10, 300)).await), 1);
}
