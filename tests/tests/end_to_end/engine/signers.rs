//! Who signs.

use std::{process::Stdio, sync::Arc, time::Duration};

use session_chain::{CommitmentConfig, RetryPolicy, RpcPool};
use session_engine::{Engine, EngineConfig, SignerPool};
use session_ledger::InMemoryLedger;
use session_tests::{
    chain::TestChain,
    creation::{LIMIT, assert_all_created, requests},
    kms_stub::KmsStub,
};
use solana_sdk::signature::{Keypair, Signer};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::Instant,
};

pub(crate) async fn several_wallets_share_the_work() {
    let chain = TestChain::embedded().await;
    let wallets = [chain.wallet(10_000_000_000).await, chain.wallet(10_000_000_000).await];
    let retry = RetryPolicy::default();
    let timeout = Duration::from_secs(5);
    let pool = RpcPool::new(vec![chain.endpoint()], CommitmentConfig::confirmed(), retry, timeout).unwrap();
    let signers = SignerPool::of_keypairs(wallets.iter().map(Keypair::insecure_clone).collect()).unwrap();
    let engine = Engine::start(
        EngineConfig::default(),
        pool,
        signers,
        Arc::new(InMemoryLedger::default()),
    )
    .await
    .unwrap();
    let answers = engine.create_batch(requests(320, 100), Instant::now() + LIMIT).await;
    assert!(
        assert_all_created(&answers) >= 4,
        "several transactions, whatever fits one"
    );
    for wallet in &wallets {
        let balance = chain.rpc().get_balance(&wallet.pubkey()).await.unwrap();
        assert!(balance < 10_000_000_000, "one wallet did nothing");
    }
    engine.shutdown().await;
}

/// A chain, a KMS whose key has a SOL there, and the process that creates ten accounts with it.
async fn with_kms() -> (TestChain, KmsStub, Command) {
    let chain = TestChain::embedded().await;
    let kms = KmsStub::start().await;
    let funds =
        solana_system_interface::instruction::transfer(&chain.payer().pubkey(), &kms.public_key(), 1_000_000_000);
    chain.send(&[funds]).await.unwrap();
    let endpoint = chain.endpoint();
    let mut command = Command::new(env!("CARGO_BIN_EXE_create_with_kms"));
    command
        .args([&endpoint.http, &endpoint.ws, &kms.public_key().to_string()])
        .env("AWS_ENDPOINT_URL_KMS", kms.url())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "stub")
        .env("AWS_SECRET_ACCESS_KEY", "stub")
        .kill_on_drop(true);
    (chain, kms, command)
}

pub(crate) async fn a_key_that_never_leaves_kms_signs_what_the_chain_accepts() {
    let (chain, kms, mut command) = with_kms().await;
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(kms.signed(), 1, "ten accounts, one transaction");
    let left = chain.rpc().get_balance(&kms.public_key()).await.unwrap();
    assert!(left < 1_000_000_000, "the key paid nothing");
}

pub(crate) async fn a_silent_kms_is_waited_for_and_costs_neither_an_attempt_nor_the_deadline() {
    let (_chain, kms, mut command) = with_kms().await;
    kms.answer(false);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap().expect("why it waits");
        let (code, elapsed_ms) = line.split_once(' ').unwrap();
        assert_eq!(code, "no_signature");
        let elapsed = Duration::from_millis(elapsed_ms.parse().unwrap());
        assert!(
            elapsed < Duration::from_secs(7),
            "{elapsed:?}: the whole deadline went by"
        );
    }
    kms.answer(true);
    assert!(process.wait().await.unwrap().success());
}
