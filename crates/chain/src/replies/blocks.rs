//! Where the chain is: its latest blockhash, its height, and how fast it goes.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use solana_client::rpc_request::RpcError;
use solana_sdk::hash::Hash;
use tokio::time::Instant;

use super::{InContext, ask};
use crate::{ChainError, CommitmentConfig, RpcClient, RpcPool};

/// A blockhash and how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestBlockhash {
    /// The hash.
    pub hash: Hash,
    /// A transaction with this blockhash cannot land in a block above this height.
    pub last_valid_block_height: u64,
    /// A node that has reached this slot knows the blockhash.
    pub slot: u64,
}

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Its slot.
    pub absolute_slot: u64,
    /// Blocks below it.
    pub block_height: u64,
}

/// How many slots passed in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerformanceSample {
    /// Slots.
    pub slots: u64,
    /// In this time, which the node tells in whole seconds.
    pub period: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockhashReply {
    blockhash: String,
    last_valid_block_height: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SampleReply {
    num_slots: u64,
    sample_period_secs: u64,
}

/// The latest blockhash at `commitment`.
///
/// # Errors
/// [`ChainError`] if no endpoint gives one before `deadline`.
pub async fn latest_blockhash(
    pool: &RpcPool,
    commitment: CommitmentConfig,
    deadline: Option<Instant>,
) -> Result<LatestBlockhash, ChainError> {
    let ask = |client: Arc<RpcClient>| async move {
        let config = json!([{"commitment": commitment.commitment}]);
        let reply: InContext<BlockhashReply> = ask(&client, "getLatestBlockhash", config).await?;
        let unreadable = |_| RpcError::ParseError("the blockhash".to_owned());
        Ok(LatestBlockhash {
            hash: reply.value.blockhash.parse().map_err(unreadable)?,
            last_valid_block_height: reply.value.last_valid_block_height,
            slot: reply.context.slot,
        })
    };
    pool.call("getLatestBlockhash", deadline, ask).await
}

/// How far the chain has come at `commitment` (`getEpochInfo`).
///
/// # Errors
/// [`ChainError`] if no endpoint says so before `deadline`.
pub async fn progress(
    pool: &RpcPool,
    commitment: CommitmentConfig,
    deadline: Option<Instant>,
) -> Result<Progress, ChainError> {
    let ask = |client: Arc<RpcClient>| async move {
        ask(&client, "getEpochInfo", json!([{"commitment": commitment.commitment}])).await
    };
    pool.call("getEpochInfo", deadline, ask).await
}

/// The latest `limit` samples, the newest first.
///
/// # Errors
/// [`ChainError`] if no endpoint has any before `deadline`.
pub async fn performance_samples(
    pool: &RpcPool,
    limit: usize,
    deadline: Option<Instant>,
) -> Result<Vec<PerformanceSample>, ChainError> {
    let ask = |client: Arc<RpcClient>| async move {
        let samples: Vec<SampleReply> = ask(&client, "getRecentPerformanceSamples", json!([limit])).await?;
        let sample = |sample: SampleReply| PerformanceSample {
            slots: sample.num_slots,
            period: Duration::from_secs(sample.sample_period_secs),
        };
        Ok(samples.into_iter().map(sample).collect())
    };
    pool.call("getRecentPerformanceSamples", deadline, ask).await
}
