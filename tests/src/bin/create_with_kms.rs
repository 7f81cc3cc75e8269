//! Creates ten accounts with a wallet in AWS KMS, which it finds by its environment as a deployed service would.
//! A process of its own, because that environment is a process's: `create_with_kms RPC_URL WS_URL PUBLIC_KEY`. Prints why
//! they have to wait, once for each try, and ends when they are there.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use session_chain::{CommitmentConfig, Endpoint, RetryPolicy, RpcPool};
use session_engine::{Disposition, Engine, EngineConfig, Outcome, SignerPool, SignerSource};
use session_ledger::InMemoryLedger;
use session_tests::{
    creation::{Answer, requests},
    kms_stub::KEY_ID,
};
use tokio::time::Instant;

/// The longest that one try may take.
const DEADLINE: Duration = Duration::from_secs(20);

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
    let wanted = requests(10, 300);
    loop {
        let started = Instant::now();
        let answers = engine.create_batch(wanted.clone(), started + DEADLINE).await;
        let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) else {
            let created = |answer: &Answer| matches!(answer, Ok(Outcome::Created { .. }));
            ensure!(answers.iter().all(created), "somebody else created an account");
            break;
        };
        let is_wait = matches!(error.disposition(), Disposition::Wait { .. });
        let (code, elapsed_ms) = (error.reason_code(), started.elapsed().as_millis());
        ensure!(is_wait, "{code} is no reason to wait: {error}");
        println!("{code} {elapsed_ms}");
    }
    engine.shutdown().await;
    Ok(())
}
