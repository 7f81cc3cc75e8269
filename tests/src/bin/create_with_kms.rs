//! Creates ten accounts with a wallet in AWS KMS, which it finds by its environment as a deployed service would.
//! A process of its own, because that environment is a process's: `create_with_kms RPC_URL WS_URL PUBLIC_KEY`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use session_chain::{CommitmentConfig, Endpoint, RetryPolicy, RpcPool};
use session_engine::{Engine, EngineConfig, Outcome, SignerPool, SignerSource};
use session_ledger::InMemoryLedger;
use session_tests::{creation::requests, kms_stub::KEY_ID};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("RPC_URL WS_URL PUBLIC_KEY");
    let endpoint = Endpoint {
        http: next()?,
        ws: next()?,
    };
    let source = SignerSource::AwsKms {
        key_id: KEY_ID.to_owned(),
        public_key: next()?,
        region: None,
    };
    let signers = SignerPool::open(vec![source]).await?;
    let timeout = Duration::from_secs(5);
    let pool = RpcPool::new(
        vec![endpoint],
        CommitmentConfig::confirmed(),
        RetryPolicy::default(),
        timeout,
    )?;
    let engine = Engine::start(
        EngineConfig::default(),
        pool,
        signers,
        Arc::new(InMemoryLedger::default()),
    )
    .await?;
    for answer in engine
        .create_batch(requests(10, 300), Instant::now() + Duration::from_secs(20))
        .await
    {
        ensure!(
            matches!(answer?, Outcome::Created { .. }),
            "somebody else created the account"
        );
    }
    engine.shutdown().await;
    Ok(())
}
