//! Reading accounts from the chain, many at a time.

use std::sync::Arc;
use std::time::Instant;

use session_chain::{ChainError, ClientError, CommitmentConfig, RpcClient, RpcPool};
use solana_client::rpc_config::{RpcAccountInfoConfig, UiAccountEncoding};
use solana_client::rpc_request::RpcError;
use solana_pubkey::Pubkey;

/// `getMultipleAccounts` takes this many addresses.
const ACCOUNTS_PER_CALL: usize = 100;

/// An account as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountState {
    pub(crate) lamports: u64,
    pub(crate) owner: Pubkey,
    pub(crate) executable: bool,
    pub(crate) data: Vec<u8>,
}

/// Accounts in the order they were asked for.
pub(crate) struct Reading {
    /// The lowest slot that any of them was read at.
    pub(crate) slot: u64,
    pub(crate) accounts: Vec<Option<AccountState>>,
}

/// Reads `addresses` at the pool's commitment from a node that has reached `min_slot`, 100 in one call.
pub(crate) async fn read_accounts(
    pool: &RpcPool,
    addresses: &[Pubkey],
    min_slot: Option<u64>,
    deadline: Option<Instant>,
) -> Result<Reading, ChainError> {
    let config = RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::Base64Zstd),
        commitment: Some(pool.commitment()),
        data_slice: None,
        min_context_slot: min_slot,
    };
    let mut reading = Reading {
        slot: u64::MAX,
        accounts: Vec::with_capacity(addresses.len()),
    };
    for chunk in addresses.chunks(ACCOUNTS_PER_CALL) {
        let config = &config;
        let ask = |client: Arc<RpcClient>| async move { read_chunk(&client, chunk, config).await };
        let (slot, accounts) = pool.call("getMultipleAccounts", deadline, ask).await?;
        reading.slot = reading.slot.min(slot);
        reading.accounts.extend(accounts);
    }
    Ok(reading)
}

/// The balances of `wallets` and the slot they were read at.
pub(crate) async fn read_balances(
    pool: &RpcPool,
    wallets: &[Pubkey],
    deadline: Option<Instant>,
) -> Result<(u64, Vec<u64>), ChainError> {
    let Reading { slot, accounts } = read_accounts(pool, wallets, None, deadline).await?;
    Ok((
        slot,
        accounts
            .into_iter()
            .map(|account| account.map_or(0, |account| account.lamports))
            .collect(),
    ))
}

async fn read_chunk(
    client: &RpcClient,
    addresses: &[Pubkey],
    config: &RpcAccountInfoConfig,
) -> Result<(u64, Vec<Option<AccountState>>), ClientError> {
    let response = client
        .get_multiple_ui_accounts_with_config(addresses, config.clone())
        .await?;
    if response.value.len() != addresses.len() {
        let expected = format!("{} accounts, not {}", addresses.len(), response.value.len());
        return Err(RpcError::ParseError(expected).into());
    }
    let decode = |account: Option<_>| account.map(|account| decode(&account)).transpose();
    let accounts = response.value.into_iter().map(decode).collect::<Result<_, _>>()?;
    Ok((response.context.slot, accounts))
}

fn decode(account: &solana_client::rpc_response::UiAccount) -> Result<AccountState, ClientError> {
    let unreadable = |field: &str| ClientError::from(RpcError::ParseError(format!("the account's {field}")));
    Ok(AccountState {
        lamports: account.lamports,
        owner: account.owner.parse().map_err(|_| unreadable("owner"))?,
        executable: account.executable,
        data: account.data.decode().ok_or_else(|| unreadable("data"))?,
    })
}

/// The commitment of reads that only need to be recent.
pub(crate) const RECENT: CommitmentConfig = CommitmentConfig::confirmed();
