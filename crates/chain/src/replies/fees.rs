//! What recent blocks took for compute units.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use super::ask;
use crate::{ChainError, RpcClient, RpcPool};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockReply {
    prioritization_fee: u64,
}

/// Of each recent block the lowest price, in micro-lamports a compute unit, of a transaction that wrote to all
/// `accounts` and landed.
///
/// # Errors
/// [`ChainError`] if no endpoint answers before `deadline`; not every provider serves the method.
pub async fn recent_prioritization_fees(
    pool: &RpcPool,
    accounts: &[Pubkey],
    deadline: Option<Instant>,
) -> Result<Vec<u64>, ChainError> {
    let names: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    let names = &names;
    let ask = |client: Arc<RpcClient>| async move {
        let blocks: Vec<BlockReply> = ask(&client, "getRecentPrioritizationFees", json!([names])).await?;
        Ok(blocks.into_iter().map(|block| block.prioritization_fee).collect())
    };
    pool.call("getRecentPrioritizationFees", deadline, ask).await
}
