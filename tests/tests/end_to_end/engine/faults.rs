//! An RPC that loses, delays and lies: nothing is paid twice, and nothing is lost.

use std::time::Duration;

use serde_json::{Value, json};
use session_engine::{Disposition, EngineConfig, TransactionVersion};
use session_tests::{
    chain::TestChain,
    creation::{Answer, CreationRig, assert_all_created, assert_all_there, requests},
    fault_proxy::{Fault, FaultProxy, Gate},
};
use surfpool_sdk::cheatcodes::builders::ResetAccount;
use tokio::time::Instant;

/// A chain, a proxy before it and an engine that sees the chain through it.
async fn rig() -> (TestChain, FaultProxy, CreationRig) {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let config = EngineConfig {
        rebroadcast_interval: Duration::from_millis(500),
        ..EngineConfig::default()
    };
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, config).await;
    (chain, proxy, rig)
}

/// Creates ten accounts through whatever was spoilt, and fails unless each was paid once, in one transaction.
async fn creates_once(rig: &CreationRig) {
    let requests = requests(10, 300);
    let balance = rig.balance().await;
    assert_all_there(&rig.create(&requests).await);
    rig.assert_created(&requests).await;
    assert_eq!(balance - rig.balance().await, rig.rent_of(&requests).await + 5_000);
}

pub(crate) async fn transactions_that_are_accepted_and_dropped_are_broadcast_again() {
    let (_chain, proxy, rig) = rig().await;
    proxy.spoil_next("sendTransaction", Fault::Swallow);
    proxy.spoil_next("sendTransaction", Fault::Swallow);
    creates_once(&rig).await;
    assert!(proxy.requests("sendTransaction") >= 3);
}

pub(crate) async fn an_answer_lost_after_the_transaction_landed() {
    let (_chain, proxy, rig) = rig().await;
    proxy.spoil_next("sendTransaction", Fault::LoseAnswer);
    creates_once(&rig).await;
}

pub(crate) async fn an_unknown_blockhash_is_replaced() {
    let (_chain, proxy, rig) = rig().await;
    let unknown = json!({"err": "BlockhashNotFound", "logs": [], "accounts": null, "unitsConsumed": 0});
    proxy.spoil_next("sendTransaction", Fault::Error(-32_002, unknown));
    creates_once(&rig).await;
    assert!(
        proxy.requests("getLatestBlockhash") >= 2,
        "the same blockhash was used again"
    );
}

pub(crate) async fn a_lagging_node_is_waited_for() {
    let (_chain, proxy, rig) = rig().await;
    proxy.spoil_next("sendTransaction", Fault::Error(-32_016, json!({"contextSlot": 3})));
    proxy.spoil_next(
        "getMultipleAccounts",
        Fault::Error(-32_005, json!({"numSlotsBehind": 9})),
    );
    creates_once(&rig).await;
}

pub(crate) async fn rate_limits_are_waited_out_where_time_allows() {
    let (_chain, proxy, rig) = rig().await;
    for method in [
        "getMultipleAccounts",
        "getLatestBlockhash",
        "sendTransaction",
        "getSignatureStatuses",
    ] {
        proxy.spoil_next(method, Fault::Status(429, Some(1)));
    }
    let started = Instant::now();
    creates_once(&rig).await;
    assert!(
        started.elapsed() >= Duration::from_secs(3),
        "Retry-After was not honoured"
    );
}

pub(crate) async fn a_rate_limit_past_the_deadline_defers_and_says_until_when() {
    let (_chain, proxy, rig) = rig().await;
    proxy.spoil_all("getMultipleAccounts", Fault::Status(429, Some(30)));
    let started = Instant::now();
    let answers = rig.create(&requests(3, 100)).await;
    assert!(started.elapsed() < Duration::from_secs(2), "it waited in vain");
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.reason_code(), "rate_limited");
        let Disposition::Wait { after: Some(after) } = error.disposition() else {
            panic!("{error}")
        };
        assert!(after > Duration::from_secs(25), "{after:?}");
    }
}

/// Creates one account, which is gone when it is read back: its owner has closed it, or its fork was dropped, and then
/// the fork that goes on has never seen the transaction and lives on for longer than its blockhash.
async fn gone_at_the_reading(
    chain: &TestChain,
    proxy: &FaultProxy,
    rig: &CreationRig,
    fork_is_dropped: bool,
) -> Vec<Answer> {
    let wanted = requests(1, 300);
    let reading = Gate::closed();
    let before = proxy.requests("getMultipleAccounts");
    proxy.spoil_next(
        "getMultipleAccounts",
        Fault::Hold({
            let look_up = Gate::closed();
            look_up.open();
            look_up
        }),
    );
    proxy.spoil_next("getMultipleAccounts", Fault::Hold(reading.clone()));
    let close = async {
        proxy.arrived("getMultipleAccounts", before + 2).await;
        let cheatcodes = chain.as_embedded().unwrap().surfnet().cheatcodes();
        cheatcodes.execute(ResetAccount::new(wanted[0].pda)).unwrap();
        let blockhashes = proxy.requests("getLatestBlockhash");
        if fork_is_dropped {
            let unknown = json!({"context": {"slot": 1_000_000}, "value": [null]});
            proxy.spoil_all("getSignatureStatuses", Fault::Result(unknown));
            let later = json!({"absoluteSlot": 1, "blockHeight": 1_000_000});
            proxy.spoil_all("getEpochInfo", Fault::Result(later));
        }
        reading.open();
        if fork_is_dropped {
            // Whoever signs anew needs another blockhash.
            proxy.arrived("getLatestBlockhash", blockhashes + 1).await;
            proxy.heal();
        }
    };
    let (answers, ()) = tokio::join!(rig.create(&wanted), close);
    if answers[0].is_ok() {
        rig.assert_created(&wanted).await;
    }
    // Asked again by the same event, it is the same answer and costs nothing.
    let balance = rig.balance().await;
    for (again, first) in rig.create(&wanted).await.iter().zip(&answers) {
        assert_eq!(again.is_ok(), first.is_ok(), "{again:?}");
    }
    assert_eq!(rig.balance().await, balance);
    answers
}

pub(crate) async fn an_account_that_its_owner_closed_is_not_paid_for_again() {
    let (chain, proxy, rig) = rig().await;
    let error = gone_at_the_reading(&chain, &proxy, &rig, false)
        .await
        .remove(0)
        .unwrap_err();
    assert_eq!(error.reason_code(), "account_closed");
    assert_eq!(error.disposition(), Disposition::DeadLetter);
}

pub(crate) async fn an_account_whose_fork_was_dropped_is_created_again() {
    let (chain, proxy, rig) = rig().await;
    let answers = gone_at_the_reading(&chain, &proxy, &rig, true).await;
    assert_all_created(&answers);
}

pub(crate) async fn nine_fresh_requests_do_not_wait_for_a_transaction_that_never_decides() {
    let (_chain, proxy, rig) = rig().await;
    let stuck = requests(1, 200);
    proxy.spoil_all("sendTransaction", Fault::Swallow);
    let answers = rig.create_within(&stuck, Duration::from_millis(1_500)).await;
    let out = answers[0].as_ref().unwrap_err().last_signature().unwrap();
    proxy.heal();
    proxy.hide(&out);

    let fresh = requests(9, 200);
    let all = [stuck, fresh].concat();
    let (started, mut answered) = (Instant::now(), Vec::new());
    let deadline = started + Duration::from_secs(8);
    rig.engine
        .create_each(all, deadline, |index, answer| {
            answered.push((index, answer, started.elapsed()));
        })
        .await;
    let slot = rig.engine.cluster().slots(1);
    for (index, answer, elapsed) in &answered {
        println!(
            "request {index}: {} after {elapsed:?}",
            if answer.is_ok() { "verified" } else { "left" }
        );
        if *index == 0 {
            assert_eq!(answer.as_ref().unwrap_err().reason_code(), "no_time_left");
            continue;
        }
        assert!(answer.is_ok(), "{answer:?}");
        // Half a slot until the next block, the block itself, and two for the reading.
        assert!(*elapsed < slot * 4, "{elapsed:?}");
    }
    assert_eq!(answered.len(), 10);
}

pub(crate) async fn an_endpoint_that_refuses_version_1_gets_version_0() {
    let (_chain, proxy, rig) = rig().await;
    proxy.spoil_next("sendTransaction", Fault::Error(-32_602, Value::Null));
    let wanted = requests(20, 300);
    let transactions = assert_all_created(&rig.create(&wanted).await);
    assert!(
        transactions >= 2,
        "20 creations are too many for one transaction of version 0"
    );
    rig.assert_created(&wanted).await;
}

pub(crate) async fn a_version_that_was_asked_for_by_name_is_not_given_up() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let config = EngineConfig {
        transaction_version: TransactionVersion::V1,
        ..EngineConfig::default()
    };
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, config).await;
    proxy.spoil_all("sendTransaction", Fault::Error(-32_602, Value::Null));
    let balance = rig.balance().await;
    let error = rig.create(&requests(1, 300)).await.remove(0).unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry);
    assert_eq!(rig.balance().await, balance);
}

pub(crate) async fn a_dead_endpoint_is_replaced_by_the_next_one() {
    let chain = TestChain::embedded().await;
    let (rig, proxies) = CreationRig::behind_two(&chain).await;
    for method in [
        "getMultipleAccounts",
        "getLatestBlockhash",
        "sendTransaction",
        "getSignatureStatuses",
    ] {
        proxies[0].spoil_all(method, Fault::Status(503, None));
    }
    creates_once(&rig).await;
    assert!(proxies[1].requests("sendTransaction") >= 1);
}

pub(crate) async fn an_rpc_that_dies_before_the_verification_leaves_nothing_to_pay_again() {
    let (_chain, proxy, rig) = rig().await;
    let wanted = requests(10, 300);
    let before = proxy.requests("getMultipleAccounts");
    let kill = async {
        proxy.arrived("getMultipleAccounts", before + 1).await;
        proxy.arrived("sendTransaction", 1).await;
        proxy.spoil_all("getMultipleAccounts", Fault::Status(503, None));
    };
    let (answers, ()) = tokio::join!(rig.create_within(&wanted, Duration::from_secs(4)), kill);
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(matches!(error.disposition(), Disposition::Wait { .. }), "{error}");
    }
    proxy.heal();
    let balance = rig.balance().await;
    assert_all_there(&rig.create(&wanted).await);
    assert_eq!(rig.balance().await, balance);
}

pub(crate) async fn an_expired_transaction_is_signed_anew() {
    let (_chain, proxy, rig) = rig().await;
    let wanted = requests(5, 300);
    proxy.spoil_all("sendTransaction", Fault::Swallow);
    let let_expire = async {
        proxy.arrived("sendTransaction", 1).await;
        let blockhashes = proxy.requests("getLatestBlockhash");
        // The chain has gone on by more than the 150 blocks that a blockhash lives.
        let later = json!({
            "epoch": 0, "slotIndex": 1, "slotsInEpoch": 432_000, "absoluteSlot": 1, "blockHeight": 1_000_000,
        });
        proxy.spoil_all("getEpochInfo", Fault::Result(later));
        // Whoever signs anew needs another blockhash.
        proxy.arrived("getLatestBlockhash", blockhashes + 1).await;
        proxy.heal();
    };
    let (answers, ()) = tokio::join!(rig.create(&wanted), let_expire);
    assert_eq!(assert_all_created(&answers), 1);
    rig.assert_created(&wanted).await;
}
