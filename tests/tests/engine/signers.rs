//! Who signs.

use session_chain::{CommitmentConfig, RetryPolicy, RpcPool};
use session_engine::{Engine, EngineConfig, SignerPool};
use session_tests::{
    chain::TestChain,
    creation::{LIMIT, assert_all_created, requests},
};
use solana_sdk::signature::Signer;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn several_wallets_share_the_work() {
    let chain = TestChain::embedded().await;
    let wallets = [chain.wallet(10_000_000_000).await, chain.wallet(10_000_000_000).await];
    let endpoints = vec![chain.endpoint()];
    let retry = RetryPolicy::default();
    let pool = RpcPool::new(endpoints, CommitmentConfig::confirmed(), retry, Duration::from_secs(5)).unwrap();
    let signers = SignerPool::of_keypairs(wallets.iter().map(|wallet| wallet.insecure_clone()).collect()).unwrap();
    let engine = Engine::start(EngineConfig::default(), pool, signers).await.unwrap();
    let answers = engine.create_batch(requests(64, 100), Instant::now() + LIMIT).await;
    assert_eq!(assert_all_created(&answers), 2);
    for wallet in &wallets {
        let balance = chain.rpc().get_balance(&wallet.pubkey()).await.unwrap();
        assert!(balance < 10_000_000_000, "one wallet did nothing");
    }
    engine.shutdown().await;
}
