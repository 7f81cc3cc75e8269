//! What the creation engine saves: accounts by the usual way and by the engine, on the embedded chain or the real
//! validator.
//!
//! `cargo run -p session-tests --example creation_benchmark [ACCOUNTS [validator]]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at the first thing that is not as it should be, and prints two decimals"
)]

use std::{sync::Arc, time::Duration};

use futures::stream::{self, StreamExt};
use session_chain::{CommitmentConfig, RetryPolicy, RpcClient, RpcPool};
use session_engine::{CreationRequest, Engine, EngineConfig, Outcome, SignerPool};
use session_events::session::{AccountRequest, create_session_account};
use session_ledger::InMemoryLedger;
use session_tests::{chain::TestChain, creation::requests};
use solana_sdk::{
    signature::{Keypair, Signer},
    transaction::Transaction,
};
use tokio::time::Instant;

/// Workers: each has one account in hand, or one batch.
const WORKERS: usize = 10;
/// Transactions under way where their number is not what limits.
const MANY_IN_FLIGHT: usize = 100;
/// Bytes of data of each account.
const SIZE_BYTES: u64 = 512;

/// One way of creating accounts, measured.
struct Measured {
    name: &'static str,
    accounts: usize,
    elapsed: Duration,
    calls: u64,
    transactions: u64,
    fees: u64,
    /// Of each account: from all being requested to its verification.
    since_request: Vec<Duration>,
    /// Of each account: from its turn to its verification.
    since_turn: Vec<Duration>,
}

#[tokio::main]
async fn main() {
    let accounts = std::env::args().nth(1).map_or(1_000, |count| count.parse().unwrap());
    let on_validator = std::env::args().nth(2).is_some_and(|chain| chain == "validator");
    let chain = if on_validator {
        TestChain::validator()
            .await
            .expect("solana-test-validator is not installed")
    } else {
        TestChain::embedded().await
    };
    let usual = measure_usual(&chain, accounts / 5).await;
    let by_default = EngineConfig::default();
    let alone = "engine, one batch of 10 at a time";
    let alone = measure_engine(&chain, alone, by_default.clone(), accounts / 10, 10, 1).await;
    let tens = measure_engine(
        &chain,
        "engine, batches of 10",
        by_default.clone(),
        accounts,
        10,
        WORKERS,
    )
    .await;
    let hundreds = "engine, batches of 100";
    let hundreds = measure_engine(&chain, hundreds, by_default.clone(), accounts, 100, WORKERS).await;
    let unbounded = EngineConfig {
        transactions_in_flight_max: MANY_IN_FLIGHT,
        ..by_default
    };
    let many = "engine, batches of 100, 100 transactions under way instead of 10";
    let many = measure_engine(&chain, many, unbounded, accounts, 100, WORKERS).await;
    println!("{WORKERS} workers, accounts of {SIZE_BYTES} bytes, confirmed, slots of 400 ms");
    for measured in [&usual, &alone, &tens, &hundreds, &many] {
        measured.print(&usual);
    }
}

fn pool(chain: &TestChain) -> RpcPool {
    let timeout = Duration::from_mins(1);
    RpcPool::new(
        vec![chain.endpoint()],
        CommitmentConfig::confirmed(),
        RetryPolicy::default(),
        timeout,
    )
    .unwrap()
}

/// Look up, create, send and wait, read back: one account at a time.
async fn measure_usual(chain: &TestChain, accounts: usize) -> Measured {
    let wallet = Arc::new(chain.wallet(100_000_000_000).await);
    let pool = pool(chain);
    let before = chain.rpc().get_balance(&wallet.pubkey()).await.unwrap();
    let wanted = requests(accounts, SIZE_BYTES);
    let started = Instant::now();
    let times: Vec<(Duration, Duration)> = stream::iter(wanted.clone())
        .map(|request| {
            let (pool, wallet) = (pool.clone(), Arc::clone(&wallet));
            async move {
                let turn = Instant::now();
                let create = |client| create_the_usual_way(client, Arc::clone(&wallet), request.clone());
                pool.call("usual", None, create).await.unwrap();
                (started.elapsed(), turn.elapsed())
            }
        })
        .buffer_unordered(WORKERS)
        .collect()
        .await;
    let elapsed = started.elapsed();
    let calls = pool.calls();
    let (since_request, since_turn) = times.into_iter().unzip();
    let fees = fees(chain, &wallet, before, &wanted).await;
    let transactions = accounts as u64;
    Measured {
        name: "the usual way",
        accounts,
        elapsed,
        calls,
        transactions,
        fees,
        since_request,
        since_turn,
    }
}

async fn create_the_usual_way(
    client: Arc<RpcClient>,
    wallet: Arc<Keypair>,
    request: CreationRequest,
) -> Result<(), session_chain::ClientError> {
    let found = client
        .get_account_with_commitment(&request.pda, client.commitment())
        .await?;
    assert!(found.value.is_none());
    let asked = AccountRequest {
        owner: request.session_owner,
        session_id: request.session_id.clone(),
        size: request.size,
    };
    let instruction = create_session_account(&request.owner_program, &wallet.pubkey(), &asked).unwrap();
    let blockhash = client.get_latest_blockhash().await?;
    let transaction =
        Transaction::new_signed_with_payer(&[instruction], Some(&wallet.pubkey()), &[&*wallet], blockhash);
    client.send_and_confirm_transaction(&transaction).await?;
    let account = client.get_account(&request.pda).await?;
    assert_eq!(account.data.len() as u64, request.size);
    assert_eq!(account.owner, request.owner_program);
    Ok(())
}

async fn measure_engine(
    chain: &TestChain,
    name: &'static str,
    config: EngineConfig,
    accounts: usize,
    batch: usize,
    workers: usize,
) -> Measured {
    let wallet = chain.wallet(100_000_000_000).await;
    let pool = pool(chain);
    let signers = SignerPool::of_keypairs(vec![wallet.insecure_clone()]).unwrap();
    let engine = Engine::start(config, pool.clone(), signers, Arc::new(InMemoryLedger::default()))
        .await
        .unwrap();
    let before = chain.rpc().get_balance(&wallet.pubkey()).await.unwrap();
    let calls_before = pool.calls();
    let wanted = requests(accounts, SIZE_BYTES);
    let started = Instant::now();
    let times: Vec<Vec<(Duration, Duration, String)>> = stream::iter(wanted.chunks(batch))
        .map(|batch| {
            let engine = &engine;
            async move {
                let turn = Instant::now();
                let answers = engine.create_batch(batch.to_vec(), turn + Duration::from_mins(1)).await;
                let signature = |answer| match answer {
                    Ok(Outcome::Created { signature, .. }) => signature.to_string(),
                    other => panic!("{other:?}"),
                };
                answers
                    .into_iter()
                    .map(|answer| (started.elapsed(), turn.elapsed(), signature(answer)))
                    .collect()
            }
        })
        .buffer_unordered(workers)
        .collect()
        .await;
    let elapsed = started.elapsed();
    let calls = pool.calls() - calls_before;
    engine.shutdown().await;
    let times: Vec<_> = times.into_iter().flatten().collect();
    let mut signatures: Vec<&String> = times.iter().map(|(_, _, signature)| signature).collect();
    signatures.sort();
    signatures.dedup();
    let transactions = signatures.len() as u64;
    let fees = fees(chain, &wallet, before, &wanted).await;
    let since_request = times.iter().map(|(since_request, ..)| *since_request).collect();
    let since_turn = times.iter().map(|(_, since_turn, _)| *since_turn).collect();
    Measured {
        name,
        accounts,
        elapsed,
        calls,
        transactions,
        fees,
        since_request,
        since_turn,
    }
}

/// Lamports that left the wallet beside the accounts' rent, by the chain.
async fn fees(chain: &TestChain, wallet: &Keypair, before: u64, wanted: &[CreationRequest]) -> u64 {
    let rpc = chain.rpc();
    let rent = rpc
        .get_minimum_balance_for_rent_exemption(usize::try_from(SIZE_BYTES).unwrap())
        .await
        .unwrap();
    before - rpc.get_balance(&wallet.pubkey()).await.unwrap() - rent * wanted.len() as u64
}

impl Measured {
    fn accounts_per_second(&self) -> f64 {
        self.accounts as f64 / self.elapsed.as_secs_f64()
    }

    fn per_account(&self, total: u64) -> f64 {
        total as f64 / self.accounts as f64
    }

    fn print(&self, usual: &Self) {
        let line = |what: &str, value: f64, usual: f64, better: f64| {
            println!("  {what:<34}{value:>12.2}{usual:>14.2}{better:>10.1}x");
        };
        println!(
            "{} ({} accounts), beside the usual way, ratio:",
            self.name, self.accounts
        );
        let (rate, usual_rate) = (self.accounts_per_second(), usual.accounts_per_second());
        line("accounts/s", rate, usual_rate, rate / usual_rate);
        for (what, own, usual) in [
            (
                "RPC calls per account",
                self.per_account(self.calls),
                usual.per_account(usual.calls),
            ),
            (
                "transactions per account",
                self.per_account(self.transactions),
                usual.per_account(usual.transactions),
            ),
            (
                "lamports of fees per account",
                self.per_account(self.fees),
                usual.per_account(usual.fees),
            ),
            (
                "p50 ms, from its turn",
                millis(&self.since_turn, 50),
                millis(&usual.since_turn, 50),
            ),
            (
                "p99 ms, from its turn",
                millis(&self.since_turn, 99),
                millis(&usual.since_turn, 99),
            ),
            (
                "p50 ms, all requested at once",
                millis(&self.since_request, 50),
                millis(&usual.since_request, 50),
            ),
            (
                "p99 ms, all requested at once",
                millis(&self.since_request, 99),
                millis(&usual.since_request, 99),
            ),
        ] {
            line(what, own, usual, usual / own);
        }
    }
}

fn millis(times: &[Duration], percentile: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percentile / 100).min(sorted.len() - 1)].as_secs_f64() * 1_000.0
}
