//! Transactions tried on a node without being sent on.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use solana_transaction::versioned::VersionedTransaction;
use tokio::time::Instant;

use super::{InContext, TransactionFailure, ask};
use crate::{ChainError, ClientError, CommitmentConfig, RpcClient, RpcPool};

const METHOD: &str = "simulateTransaction";

/// What a simulation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// Why it failed, where it did.
    pub failure: Option<TransactionFailure>,
    /// Compute units that it used, where the node says so.
    pub units_consumed: Option<u64>,
}

/// The fields of a simulation's result that are read; a refused `sendTransaction` carries one too.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationReply {
    #[serde(default)]
    err: Value,
    #[serde(default)]
    pub(crate) logs: Option<Vec<String>>,
    #[serde(default)]
    units_consumed: Option<u64>,
}

impl SimulationReply {
    pub(crate) fn failure(&self) -> Option<TransactionFailure> {
        (!self.err.is_null()).then(|| TransactionFailure::read(&self.err))
    }
}

/// Simulates `transaction` at `commitment`, with a blockhash of the node's own and without looking at its signatures.
///
/// # Errors
/// [`ChainError`] if no endpoint simulates it before `deadline`.
pub async fn simulate(
    pool: &RpcPool,
    transaction: &VersionedTransaction,
    commitment: CommitmentConfig,
    deadline: Option<Instant>,
) -> Result<Simulation, ChainError> {
    let params = &params(transaction, commitment)?;
    pool.call(METHOD, deadline, |client| simulated(client, params)).await
}

/// The same on every endpoint: one answer each, in order of preference.
///
/// # Errors
/// [`ChainError::InvalidRequest`] where the transaction cannot be written.
pub async fn simulate_everywhere(
    pool: &RpcPool,
    transaction: &VersionedTransaction,
    commitment: CommitmentConfig,
    deadline: Option<Instant>,
) -> Result<Vec<Result<Simulation, ChainError>>, ChainError> {
    let params = &params(transaction, commitment)?;
    Ok(pool.on_each(METHOD, deadline, |client| simulated(client, params)).await)
}

fn params(transaction: &VersionedTransaction, commitment: CommitmentConfig) -> Result<Value, ChainError> {
    let bytes = wincode::serialize(transaction).map_err(|error| ChainError::InvalidRequest {
        reason: error.to_string(),
    })?;
    Ok(json!([
        STANDARD.encode(bytes),
        {
            "encoding": "base64",
            "commitment": commitment.commitment,
            "sigVerify": false,
            "replaceRecentBlockhash": true,
        },
    ]))
}

async fn simulated(client: Arc<RpcClient>, params: &Value) -> Result<Simulation, ClientError> {
    let reply: InContext<SimulationReply> = ask(&client, METHOD, params.clone()).await?;
    Ok(Simulation {
        failure: reply.value.failure(),
        units_consumed: reply.value.units_consumed,
    })
}
