//! A preferred endpoint that is silent, limits the rate in disguise or is broken, beside one that is well: nobody waits
//! for it, and nothing fails.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use session_engine::Outcome;
use session_tests::{
    chain::TestChain,
    creation::{CreationRig, LIMIT, assert_all_created, assert_all_there, requests},
    fault_proxy::{Fault, FaultProxy, Gate},
};
use tokio::sync::Semaphore;

/// Everything that the engine asks while it serves requests.
const METHODS: [&str; 6] = [
    "getMultipleAccounts",
    "getLatestBlockhash",
    "sendTransaction",
    "getSignatureStatuses",
    "getEpochInfo",
    "simulateTransaction",
];
const REQUESTS_PER_SECOND: u64 = 20;
const SECONDS: u64 = 10;

/// Two at a time: latencies are what is measured.
static FEW: Semaphore = Semaphore::const_new(2);

/// Twenty requests a second, each on its own, while the preferred endpoint does this. Fails unless every account is there
/// within 3 s in 99 of 100 cases.
async fn quick_beside(what: &str, spoil: impl Fn(&FaultProxy)) {
    let _place = FEW.acquire().await.unwrap();
    let chain = TestChain::embedded().await;
    let (rig, proxies) = CreationRig::behind_two(&chain).await;
    let rig = Arc::new(rig);
    assert_all_created(&rig.create(&requests(20, 100)).await);
    spoil(&proxies[0]);
    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / REQUESTS_PER_SECOND));
    let mut tasks = Vec::new();
    for _ in 0..REQUESTS_PER_SECOND * SECONDS {
        tick.tick().await;
        let rig = Arc::clone(&rig);
        tasks.push(tokio::spawn(async move {
            let started = tokio::time::Instant::now();
            assert_all_there(&rig.create_within(&requests(1, 100), LIMIT).await);
            started.elapsed()
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.push(task.await.unwrap());
    }
    latencies.sort_unstable();
    let rank = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100) - 1];
    let slots = |time: Duration| rig.engine.cluster().in_slots(time);
    println!(
        "{what}: {} requests, p50 {:?} ({:.1} slots), p99 {:?} ({:.1} slots), slowest {:?}",
        latencies.len(),
        rank(50),
        slots(rank(50)),
        rank(99),
        slots(rank(99)),
        rank(100)
    );
    assert!(rank(99) < Duration::from_secs(3), "{what}: {:?}", rank(99));
}

fn every_method(fault: Fault) -> impl Fn(&FaultProxy) {
    move |proxy| METHODS.iter().for_each(|method| proxy.spoil_all(method, fault.clone()))
}

pub(crate) async fn a_silent_preferred_endpoint() {
    quick_beside("silent", every_method(Fault::Hold(Gate::closed()))).await;
}

pub(crate) async fn a_rate_limit_under_http_200() {
    quick_beside("limited", every_method(Fault::Error(-32_429, Value::Null))).await;
}

pub(crate) async fn an_endpoint_that_answers_null() {
    quick_beside("null", every_method(Fault::Result(Value::Null))).await;
}

pub(crate) async fn an_endpoint_whose_lists_are_empty() {
    let empty = json!({"context": {"slot": 1}, "value": []});
    quick_beside("empty", |proxy| {
        for method in ["getMultipleAccounts", "getSignatureStatuses"] {
            proxy.spoil_all(method, Fault::Result(empty.clone()));
        }
    })
    .await;
}

/// It tells the right slot and knows of no account and of no transaction.
pub(crate) async fn an_endpoint_that_has_seen_nothing_of_it_all() {
    quick_beside("stale", |proxy| {
        for method in ["getMultipleAccounts", "getSignatureStatuses"] {
            proxy.spoil_all(method, Fault::Blind);
        }
    })
    .await;
}

/// It takes transactions, and none of them ever comes to the other nodes.
pub(crate) async fn an_endpoint_on_another_fork() {
    quick_beside("fork", |proxy| {
        proxy.spoil_all("sendTransaction", Fault::Swallow);
        for method in ["getMultipleAccounts", "getSignatureStatuses"] {
            proxy.spoil_all(method, Fault::Blind);
        }
    })
    .await;
}

pub(crate) async fn an_account_that_the_preferred_endpoint_does_not_see_is_found_on_the_other_one() {
    let chain = TestChain::embedded().await;
    let (rig, proxies) = CreationRig::behind_two(&chain).await;
    let wanted = requests(10, 100);
    assert_all_created(&rig.create(&wanted).await);
    proxies[0].spoil_all("getMultipleAccounts", Fault::Blind);
    let balance = rig.balance().await;
    for answer in rig.create(&wanted).await {
        assert_eq!(answer.unwrap(), Outcome::AlreadyExisted);
    }
    assert_eq!(rig.balance().await, balance, "nothing is paid twice");
}
