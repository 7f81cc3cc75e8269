//! Who signs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use session_chain::{CommitmentConfig, RetryPolicy, RpcPool};
use session_engine::{Engine, EngineConfig, SignerPool};
use session_ledger::InMemoryLedger;
use session_tests::{
    chain::TestChain,
    creation::{LIMIT, assert_all_created, requests},
    kms_stub::KmsStub,
};
use solana_sdk::signature::{Keypair, Signer};

#[tokio::test(flavor = "multi_thread")]
async fn several_wallets_share_the_work() {
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
    let answers = engine.create_batch(requests(64, 100), Instant::now() + LIMIT).await;
    assert_eq!(assert_all_created(&answers), 2);
    for wallet in &wallets {
        let balance = chain.rpc().get_balance(&wallet.pubkey()).await.unwrap();
        assert!(balance < 10_000_000_000, "one wallet did nothing");
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_never_leaves_kms_signs_what_the_chain_accepts() {
    let chain = TestChain::embedded().await;
    let kms = KmsStub::start().await;
    let funds =
        solana_system_interface::instruction::transfer(&chain.payer().pubkey(), &kms.public_key(), 1_000_000_000);
    chain.send(&[funds]).await.unwrap();
    let endpoint = chain.endpoint();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_create_with_kms"))
        .args([&endpoint.http, &endpoint.ws, &kms.public_key().to_string()])
        .env("AWS_ENDPOINT_URL_KMS", kms.url())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "stub")
        .env("AWS_SECRET_ACCESS_KEY", "stub")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(kms.signed(), 1, "ten accounts, one transaction");
    let left = chain.rpc().get_balance(&kms.public_key()).await.unwrap();
    assert!(left < 1_000_000_000, "the key paid nothing");
}
