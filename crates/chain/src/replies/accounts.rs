//! Accounts, many at a time.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use solana_client::rpc_request::RpcError;
use solana_client::rpc_response::{UiAccountData, UiAccountEncoding};
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use super::{InContext, ask};
use crate::{ChainError, ClientError, RpcClient, RpcPool};

/// `getMultipleAccounts` takes this many addresses.
const ACCOUNTS_PER_CALL: usize = 100;
const METHOD: &str = "getMultipleAccounts";

/// An account as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Its lamports.
    pub lamports: u64,
    /// The program that owns it.
    pub owner: Pubkey,
    /// Whether it is a program.
    pub executable: bool,
    /// Its data.
    pub data: Vec<u8>,
}

/// Accounts in the order they were asked for.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The lowest slot that any of them was read at.
    pub slot: u64,
    /// What is at each address; `None` where nothing is.
    pub accounts: Vec<Option<AccountState>>,
}

/// The fields of `UiAccount` that are read.
#[derive(Deserialize)]
struct AccountReply {
    lamports: u64,
    owner: String,
    executable: bool,
    data: UiAccountData,
}

/// Reads `addresses` at the pool's commitment from a node that has reached `min_slot`, 100 in one call.
///
/// # Errors
/// [`ChainError`] if no endpoint answers before `deadline`, or none with a reply of the method's shape.
pub async fn read_accounts(
    pool: &RpcPool,
    addresses: &[Pubkey],
    min_slot: Option<u64>,
    deadline: Option<Instant>,
) -> Result<Reading, ChainError> {
    let mut reading = Reading {
        slot: u64::MAX,
        accounts: Vec::with_capacity(addresses.len()),
    };
    for chunk in addresses.chunks(ACCOUNTS_PER_CALL) {
        let ask = |client: Arc<RpcClient>| async move { read_chunk(&client, chunk, min_slot).await };
        let (slot, accounts) = pool.call(METHOD, deadline, ask).await?;
        reading.slot = reading.slot.min(slot);
        reading.accounts.extend(accounts);
    }
    Ok(reading)
}

/// The same where absence matters: what is missing at an address for which `matters` holds is looked for on every endpoint,
/// and is there if any of them has it. One node's null proves nothing.
///
/// # Errors
/// Those of [`read_accounts`]. Endpoints that say nothing about what is missing contradict nobody.
pub async fn read_accounts_surely(
    pool: &RpcPool,
    addresses: &[Pubkey],
    min_slot: Option<u64>,
    deadline: Option<Instant>,
    matters: impl Fn(&Pubkey) -> bool,
) -> Result<Reading, ChainError> {
    let mut reading = read_accounts(pool, addresses, min_slot, deadline).await?;
    let missing: Vec<Pubkey> = addresses
        .iter()
        .zip(&reading.accounts)
        .filter(|(address, account)| account.is_none() && matters(address))
        .map(|(address, _)| *address)
        .collect();
    if missing.is_empty() || pool.is_one_endpoint() {
        return Ok(reading);
    }
    let found = find_anywhere(pool, &missing, min_slot, deadline).await;
    for (address, account) in addresses.iter().zip(&mut reading.accounts) {
        if account.is_none() {
            *account = found.get(address).cloned();
        }
    }
    Ok(reading)
}

/// What any endpoint has at these addresses; of several accounts at one address that of the highest slot.
async fn find_anywhere(
    pool: &RpcPool,
    addresses: &[Pubkey],
    min_slot: Option<u64>,
    deadline: Option<Instant>,
) -> HashMap<Pubkey, AccountState> {
    let mut found: HashMap<Pubkey, (u64, AccountState)> = HashMap::new();
    for chunk in addresses.chunks(ACCOUNTS_PER_CALL) {
        let ask = |client: Arc<RpcClient>| async move { read_chunk(&client, chunk, min_slot).await };
        for (slot, accounts) in pool.on_each(METHOD, deadline, ask).await.into_iter().flatten() {
            for (address, account) in chunk.iter().zip(accounts) {
                let Some(account) = account else { continue };
                if found.get(address).is_none_or(|(known_at, _)| *known_at < slot) {
                    found.insert(*address, (slot, account));
                }
            }
        }
    }
    found
        .into_iter()
        .map(|(address, (_, account))| (address, account))
        .collect()
}

/// The balances of `wallets` and the slot they were read at.
///
/// # Errors
/// Those of [`read_accounts`].
pub async fn read_balances(
    pool: &RpcPool,
    wallets: &[Pubkey],
    deadline: Option<Instant>,
) -> Result<(u64, Vec<u64>), ChainError> {
    let Reading { slot, accounts } = read_accounts(pool, wallets, None, deadline).await?;
    let lamports = |account: Option<AccountState>| account.map_or(0, |account| account.lamports);
    Ok((slot, accounts.into_iter().map(lamports).collect()))
}

async fn read_chunk(
    client: &RpcClient,
    addresses: &[Pubkey],
    min_slot: Option<u64>,
) -> Result<(u64, Vec<Option<AccountState>>), ClientError> {
    let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut config = json!({
        "encoding": UiAccountEncoding::Base64Zstd,
        "commitment": client.commitment().commitment,
    });
    if let Some(slot) = min_slot {
        config["minContextSlot"] = slot.into();
    }
    let reply: InContext<Vec<Option<AccountReply>>> = ask(client, METHOD, json!([names, config])).await?;
    if reply.value.len() != addresses.len() {
        let expected = format!("{} accounts, not {}", addresses.len(), reply.value.len());
        return Err(RpcError::ParseError(expected).into());
    }
    let account = |account: Option<AccountReply>| account.map(AccountState::try_from).transpose();
    let accounts = reply.value.into_iter().map(account).collect::<Result<_, _>>()?;
    Ok((reply.context.slot, accounts))
}

impl TryFrom<AccountReply> for AccountState {
    type Error = ClientError;

    fn try_from(reply: AccountReply) -> Result<Self, ClientError> {
        let unreadable = |field: &str| ClientError::from(RpcError::ParseError(format!("the account's {field}")));
        Ok(Self {
            lamports: reply.lamports,
            owner: reply.owner.parse().map_err(|_| unreadable("owner"))?,
            executable: reply.executable,
            data: reply.data.decode().ok_or_else(|| unreadable("data"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rent_epoch_that_was_rounded_and_a_field_of_tomorrow_hurt_nobody() {
        let reply = json!({
            "lamports": 7, "owner": "11111111111111111111111111111111", "executable": false,
            "data": ["AAAB", "base64"], "rentEpoch": 18_446_744_073_709_552_000.0_f64, "space": 3, "tomorrow": {},
        });
        let reply: AccountReply = serde_json::from_value(reply).unwrap();
        let account = AccountState::try_from(reply).unwrap();
        assert_eq!(account.data, [0, 0, 1]);
        assert_eq!(account.lamports, 7);
    }

    #[test]
    fn data_that_cannot_be_decoded_is_an_error_that_names_the_field() {
        let reply = AccountReply {
            lamports: 0,
            owner: String::from("11111111111111111111111111111111"),
            executable: false,
            data: UiAccountData::Binary(String::from("!"), UiAccountEncoding::Base64),
        };
        let error = AccountState::try_from(reply).unwrap_err();
        assert!(error.to_string().contains("data"), "{error}");
    }
}
