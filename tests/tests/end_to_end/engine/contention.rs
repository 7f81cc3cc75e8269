//! The same address wanted several times at once: it is paid for once.

use std::{collections::HashMap, time::Duration};

use session_engine::{CreationRequest, EngineConfig, Outcome};
use session_tests::{
    chain::TestChain,
    creation::{Answer, CreationRig, LIMIT, assert_all_created, assert_all_there, requests},
    fault_proxy::{Fault, FaultProxy, Gate},
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signer;
use tokio::time::Instant;

pub(crate) async fn twice_in_one_batch() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let once = requests(5, 200);
    let twice = [once.clone(), once.clone()].concat();
    let balance = rig.balance().await;
    let answers = rig.create(&twice).await;
    assert_paid_once(&twice, &answers);
    assert_eq!(balance - rig.balance().await, rig.rent_of(&once).await + 5_000);
}

pub(crate) async fn in_two_batches_of_one_process() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    let wanted = requests(20, 200);
    let balance = rig.balance().await;
    let (one, other) = tokio::join!(rig.create(&wanted[..15]), rig.create(&wanted[5..]));
    let asked = [&wanted[..15], &wanted[5..]].concat();
    assert_paid_once(&asked, &[one, other].concat());
    assert_eq!(balance - rig.balance().await, rig.rent_of(&wanted).await + 2 * 5_000);
    assert_eq!(
        proxy.requests("sendTransaction"),
        2,
        "both batches tried the same addresses"
    );
}

pub(crate) async fn in_two_processes() {
    let chain = TestChain::embedded().await;
    let rigs = [CreationRig::start(&chain).await, CreationRig::start(&chain).await];
    for _ in 0..5 {
        let wanted = requests(12, 200);
        let before = balances(&rigs).await;
        let (one, other) = tokio::join!(rigs[0].create(&wanted[..9]), rigs[1].create(&wanted[3..]));
        let asked = [&wanted[..9], &wanted[3..]].concat();
        assert_paid_once(&asked, &[one, other].concat());
        let spent = before - balances(&rigs).await;
        let fees = spent - rigs[0].rent_of(&wanted).await;
        assert!(
            (10_000..=25_000).contains(&fees),
            "rent was paid twice: {fees} lamports beside it"
        );
        rigs[0].assert_created(&wanted).await;
    }
}

pub(crate) async fn a_loser_on_chain_goes_on_without_what_the_winner_created() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let slow = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    let fast = CreationRig::start(&chain).await;
    let wanted = requests(10, 200);
    let gate = Gate::closed();
    proxy.spoil_next("sendTransaction", Fault::Hold(gate.clone()));
    let (late, early) = tokio::join!(slow.create(&wanted), async {
        proxy.arrived("sendTransaction", 1).await;
        let early = fast.create(&wanted[..4]).await;
        gate.open();
        early
    });
    assert_all_created(&early);
    assert_all_created(&late[4..]);
    for answer in &late[..4] {
        assert!(matches!(answer, Ok(Outcome::AlreadyExisted)), "{answer:?}");
    }
}

pub(crate) async fn lamports_that_arrive_between_look_and_send_only_cost_a_second_transaction() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    let wanted = requests(32, 200);
    let gate = Gate::closed();
    proxy.spoil_next("sendTransaction", Fault::Hold(gate.clone()));
    let grief = async {
        proxy.arrived("sendTransaction", 1).await;
        let griefer = chain.payer().pubkey();
        for some in wanted.chunks(16) {
            let gifts: Vec<_> = some
                .iter()
                .map(|request| solana_system_interface::instruction::transfer(&griefer, &request.pda, 900_000))
                .collect();
            chain.send(&gifts).await.unwrap();
        }
        gate.open();
    };
    let (answers, ()) = tokio::join!(rig.create(&wanted), grief);
    assert!(assert_all_created(&answers) >= 2);
    rig.assert_created(&wanted).await;
}

pub(crate) async fn killed_between_send_and_confirmation() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let killed = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    let wallet = killed.wallet.insecure_clone();
    let balance = killed.balance().await;
    let wanted = requests(10, 200);
    proxy.spoil_all("getSignatureStatuses", Fault::Hold(Gate::closed()));
    let batch = wanted.clone();
    let task = tokio::spawn(async move { killed.engine.create_batch(batch, Instant::now() + LIMIT).await });
    proxy.arrived("getSignatureStatuses", 1).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());

    let next = CreationRig::start_with(&chain, vec![chain.endpoint()], wallet, EngineConfig::default()).await;
    assert_all_there(&next.create(&wanted).await);
    next.assert_created(&wanted).await;
    let fees = balance - next.balance().await - next.rent_of(&wanted).await;
    assert!(fees <= 10_000, "rent was paid twice: {fees} lamports beside it");
}

pub(crate) async fn a_deadline_between_send_and_landing_is_followed_up_not_sent_anew() {
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = CreationRig::start_at(&chain, vec![proxy.endpoint()], 10_000_000_000, EngineConfig::default()).await;
    let wanted = requests(10, 200);
    proxy.spoil_all("sendTransaction", Fault::Swallow);
    let answers = rig.create_within(&wanted, Duration::from_millis(1_500)).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(error.reason_code(), "no_time_left");
    let out = error.last_signature().unwrap();

    proxy.heal();
    // Another batch than before: signed anew, it would be another transaction.
    for answer in rig.create(&wanted[..4]).await {
        let Ok(Outcome::Created { signature, .. }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(
            signature, out,
            "another transaction was signed while the first could still land"
        );
    }
    for answer in rig.create(&wanted[4..]).await {
        assert!(matches!(answer, Ok(Outcome::AlreadyExisted)), "{answer:?}");
    }
}

async fn balances(rigs: &[CreationRig]) -> u64 {
    let mut sum = 0;
    for rig in rigs {
        sum += rig.balance().await;
    }
    sum
}

/// Fails unless every request has its account and no address was created by more than one of the answers.
fn assert_paid_once(asked: &[CreationRequest], answers: &[Answer]) {
    assert_all_there(answers);
    let mut created: HashMap<Pubkey, u32> = HashMap::new();
    for (request, answer) in asked.iter().zip(answers) {
        let paid = matches!(answer, Ok(Outcome::Created { .. }));
        *created.entry(request.pda).or_default() += u32::from(paid);
    }
    assert!(created.values().all(|times| *times == 1), "{created:?}");
}
