//! What one instruction for many accounts saves beside one instruction each: accounts in a transaction, fees and compute
//! units for each account, on the embedded chain or the real validator.
//!
//! `cargo run -p session-tests --example batch_benchmark [ACCOUNTS [validator]]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at the first thing that is not as it should be, and prints two decimals"
)]

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use session_engine::{
    BatchEncoding, BatchShape, CreationRequest, EngineConfig, InstructionShape, Outcome, TransactionVersion,
};
use session_tests::{
    chain::TestChain,
    creation::{CreationRig, request_of},
};
use solana_client::rpc_request::RpcRequest;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

/// Bytes of data of each account.
const SIZE_BYTES: u64 = 208;

/// Accounts that were created at once, by the chain's own word.
struct Measured {
    transactions: usize,
    most_in_one: usize,
    fees: f64,
    compute_units: f64,
    seconds: f64,
}

#[tokio::main]
async fn main() {
    let accounts = std::env::args().nth(1).map_or(1_000, |count| count.parse().unwrap());
    let chain = if std::env::args().nth(2).is_some_and(|chain| chain == "validator") {
        TestChain::validator()
            .await
            .expect("solana-test-validator is not installed")
    } else {
        TestChain::embedded().await
    };
    let batch = |name: &str, encoding| {
        Some(BatchShape {
            name: name.to_owned(),
            encoding,
        })
    };
    let borsh = batch("create_session_accounts", BatchEncoding::Borsh);
    let packed = batch("create_session_accounts_packed", BatchEncoding::Packed);
    println!("{accounts} accounts at once, ids of 16 bytes, {SIZE_BYTES} bytes each, transactions of version 1");
    let single = measure(&chain, accounts, None, Owners::Each).await;
    single.print("one instruction each", &single);
    let by_borsh = measure(&chain, accounts, borsh, Owners::Each).await;
    by_borsh.print("create_session_accounts", &single);
    let by_packed = measure(&chain, accounts, packed.clone(), Owners::Each).await;
    by_packed.print("create_session_accounts_packed", &single);
    let of_one = measure(&chain, accounts, packed, Owners::One).await;
    of_one.print("create_session_accounts_packed, one owner", &single);
    chain.shut_down().await;
}

/// Whose the sessions are.
#[derive(Clone, Copy)]
enum Owners {
    Each,
    One,
}

/// Requests with ids of 16 bytes.
fn requests(count: usize, owners: Owners) -> Vec<CreationRequest> {
    let one = Pubkey::new_unique();
    let request = |number: usize| {
        let session_owner = match owners {
            Owners::One => one,
            Owners::Each => Pubkey::new_unique(),
        };
        request_of(session_owner, format!("session-{number:08}"), SIZE_BYTES)
    };
    (0..count).map(request).collect()
}

async fn measure(chain: &TestChain, accounts: usize, batch: Option<BatchShape>, owners: Owners) -> Measured {
    let config = EngineConfig {
        instruction: InstructionShape {
            batch,
            ..InstructionShape::default()
        },
        transaction_version: TransactionVersion::V1,
        ..EngineConfig::default()
    };
    let rig = CreationRig::start_at(chain, vec![chain.endpoint()], 100_000_000_000, config).await;
    let wanted = requests(accounts, owners);
    let started = Instant::now();
    let answers = rig.create_within(&wanted, Duration::from_mins(2)).await;
    let seconds = started.elapsed().as_secs_f64();
    rig.assert_created(&wanted).await;
    let mut shares: HashMap<String, usize> = HashMap::new();
    for answer in answers {
        match answer {
            Ok(Outcome::Created { signature, .. }) => *shares.entry(signature.to_string()).or_default() += 1,
            other => panic!("{other:?}"),
        }
    }
    let (mut fees, mut compute_units) = (0, 0);
    for signature in shares.keys() {
        let meta = meta_of(chain, signature).await;
        fees += meta["fee"].as_u64().unwrap();
        compute_units += meta["computeUnitsConsumed"].as_u64().unwrap();
    }
    rig.engine.shutdown().await;
    Measured {
        transactions: shares.len(),
        most_in_one: shares.values().copied().max().unwrap(),
        fees: fees as f64 / accounts as f64,
        compute_units: compute_units as f64 / accounts as f64,
        seconds,
    }
}

/// What the chain says that a transaction has cost.
async fn meta_of(chain: &TestChain, signature: &str) -> Value {
    let config = json!({"encoding": "base64", "maxSupportedTransactionVersion": 1, "commitment": "confirmed"});
    let parameters = json!([signature, config]);
    let transaction: Value = chain.rpc().send(RpcRequest::GetTransaction, parameters).await.unwrap();
    transaction["meta"].clone()
}

impl Measured {
    fn print(&self, name: &str, single: &Self) {
        println!(
            "  {name:<44}{:>4} transactions, {:>2} in one ({:.2}x), {:>7.2} lamports of fees each ({:.2}x), {:>6.0} compute units each ({:.2}x), {:.1} s",
            self.transactions,
            self.most_in_one,
            self.most_in_one as f64 / single.most_in_one as f64,
            self.fees,
            single.fees / self.fees,
            self.compute_units,
            single.compute_units / self.compute_units,
            self.seconds,
        );
    }
}
