//! What the methods answer, read tolerantly: own types with the fields that are used and no others.
//!
//! Owns one function for each method that the service asks. A field that nobody reads cannot hurt: gateways round
//! numbers, leave fields out and add others. An entry of a list that cannot be read spoils that entry alone. Knows
//! nothing of why it is asked.

mod accounts;
mod blocks;
mod deployment;
mod failure;
mod fees;
mod simulation;
mod statuses;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use solana_client::rpc_request::RpcRequest;

use crate::{ClientError, RpcClient};

pub use accounts::{AccountState, Reading, read_accounts, read_accounts_surely, read_balances};
pub use blocks::{LatestBlockhash, PerformanceSample, Progress, latest_blockhash, performance_samples, progress};
pub use deployment::{Deployment, deployments};
pub use failure::TransactionFailure;
pub use fees::recent_prioritization_fees;
pub use simulation::{Simulation, SimulationReply, simulate, simulate_everywhere};
pub use statuses::{Level, SignatureStatus, StatusReply, signature_statuses, signature_statuses_everywhere};

/// The envelope of most replies: what was asked for, and the slot that it holds for.
#[derive(Debug, Deserialize)]
struct InContext<T> {
    context: Context,
    value: T,
}

#[derive(Debug, Deserialize)]
struct Context {
    slot: u64,
}

/// Sends one request and reads its reply as `T`.
async fn ask<T: DeserializeOwned>(client: &RpcClient, method: &'static str, params: Value) -> Result<T, ClientError> {
    client.send(RpcRequest::Custom { method }, params).await
}
