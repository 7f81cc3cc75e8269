//! A preferred endpoint that is silent, limits the rate in disguise or is broken, beside one that is well: nobody waits
//! for it, and nothing fails.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use session_engine::EngineConfig;
use session_tests::{
    chain::TestChain,
    creation::{CreationRig, LIMIT, assert_all_created, requests},
    fault_proxy::{Fault, FaultProxy, Gate},
};

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
const REQUESTS: usize = 120;

/// Twenty requests a second, each on its own, while `fault` is all that the preferred endpoint answers. Gives the
/// latencies, sorted.
async fn latencies_beside(fault: Fault) -> Vec<Duration> {
    let chain = TestChain::embedded().await;
    let proxies = [
        FaultProxy::start(&chain.endpoint()).await,
        FaultProxy::start(&chain.endpoint()).await,
    ];
    let endpoints = proxies.iter().map(FaultProxy::endpoint).collect();
    let rig = CreationRig::start_at(&chain, endpoints, 10_000_000_000, EngineConfig::default()).await;
    let rig = Arc::new(rig);
    assert_all_created(&rig.create(&requests(20, 100)).await);
    for method in METHODS {
        proxies[0].spoil_all(method, fault.clone());
    }
    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / REQUESTS_PER_SECOND));
    let mut tasks = Vec::new();
    for _ in 0..REQUESTS {
        tick.tick().await;
        let rig = Arc::clone(&rig);
        tasks.push(tokio::spawn(async move {
            let started = std::time::Instant::now();
            assert_all_created(&rig.create_within(&requests(1, 100), LIMIT).await);
            started.elapsed()
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.push(task.await.unwrap());
    }
    latencies.sort_unstable();
    latencies
}

fn assert_quick(what: &str, latencies: &[Duration]) {
    let rank = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100) - 1];
    println!(
        "{what}: p50 {:?}, p99 {:?}, slowest {:?}",
        rank(50),
        rank(99),
        rank(100)
    );
    assert!(rank(99) < Duration::from_secs(3), "{what}: {:?}", rank(99));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_preferred_endpoint() {
    assert_quick("silent", &latencies_beside(Fault::Hold(Gate::closed())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_under_http_200() {
    assert_quick("limited", &latencies_beside(Fault::Error(-32_429, Value::Null)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_answers_null() {
    assert_quick("null", &latencies_beside(Fault::Result(Value::Null)).await);
}
