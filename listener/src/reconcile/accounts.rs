//! What a comparison asks the chain about accounts, at its own pace.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use session_chain::{CommitmentConfig, RpcPool};
use session_events::{SessionFactoryState, factory::state_address};
use solana_client::rpc_request::RpcRequest;
use solana_pubkey::Pubkey;

use crate::{
    decode::wire::{AccountData, AccountOwner, InContext, KeyedAccount, Lenient},
    error::ReconcileError,
    reconcile::{pace::Pace, shards::Shard},
};

/// Most accounts that a node gives at once (Solana RPC, `getMultipleAccounts`).
pub(crate) const ACCOUNTS_MAX: usize = 100;
/// Where an entry has its session's address, after the discriminator.
const SESSION_OFFSET: usize = 8;
const SESSION_LENGTH: usize = 32;

/// The factory's accounts, and those that it asks for.
pub(crate) struct FactoryAccounts {
    pub(crate) pool: RpcPool,
    pub(crate) program_id: Pubkey,
    pub(crate) session_program: Pubkey,
    pub(crate) pace: Pace,
}

/// The entries of a shard at one moment.
pub(crate) struct ShardListing {
    pub(crate) slot: u64,
    pub(crate) entries: Vec<ListedEntry>,
    /// Accounts that start as an entry does and are none, as the node names them.
    pub(crate) malformed: Vec<String>,
}

/// An entry, and the session that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedEntry {
    pub(crate) address: Pubkey,
    /// Zeroes where the session is optimistic.
    pub(crate) session: Pubkey,
}

impl FactoryAccounts {
    /// How many sessions were ever requested, if the factory's state tells it.
    pub(crate) async fn requested(&self) -> Result<Option<u64>, ReconcileError> {
        let Ok((address, _)) = state_address(&self.program_id) else {
            return Ok(None);
        };
        let parameters = json!([address.to_string(), {
            "encoding": "base64",
            "commitment": self.pool.commitment().commitment,
        }]);
        let answer: InContext<Option<AccountData>> = self
            .ask(RpcRequest::GetAccountInfo, "getAccountInfo", parameters)
            .await?;
        let data = answer.value.and_then(|account| decoded(&account));
        Ok(data
            .and_then(|data| SessionFactoryState::decode(&data).ok())
            .map(|state| state.total_sessions))
    }

    /// The entries of a shard, with their sessions' addresses and no more of their data.
    pub(crate) async fn list(&self, shard: &Shard) -> Result<ShardListing, ReconcileError> {
        let parameters = json!([self.program_id.to_string(), {
            "encoding": "base64",
            "commitment": self.pool.commitment().commitment,
            "withContext": true,
            "dataSlice": {"offset": SESSION_OFFSET, "length": SESSION_LENGTH},
            "filters": [{"memcmp": {
                "offset": 0,
                "bytes": bs58::encode(shard.data()).into_string(),
                "encoding": "base58",
            }}],
        }]);
        let answer: InContext<Vec<Lenient<KeyedAccount>>> = self
            .ask(RpcRequest::GetProgramAccounts, "getProgramAccounts", parameters)
            .await?;
        let mut listing = ShardListing {
            slot: answer.context.slot,
            entries: Vec::with_capacity(answer.value.len()),
            malformed: Vec::new(),
        };
        for account in answer.value {
            match listed(account) {
                Ok(entry) => listing.entries.push(entry),
                Err(named) => listing.malformed.push(named),
            }
        }
        Ok(listing)
    }

    /// For each session whether its account exists, which is to say belongs to the session program. Lamports alone make no
    /// account. At most [`ACCOUNTS_MAX`].
    pub(crate) async fn exist(
        &self,
        sessions: &[Pubkey],
        commitment: CommitmentConfig,
        min_context_slot: Option<u64>,
    ) -> Result<Vec<bool>, ReconcileError> {
        let session_program = self.session_program.to_string();
        let slice = Some((0, 0));
        let answer: InContext<Vec<Option<AccountOwner>>> =
            self.accounts(sessions, slice, commitment, min_context_slot).await?;
        let exists = |account: Option<AccountOwner>| account.is_some_and(|account| account.owner == session_program);
        Ok(answer.value.into_iter().map(exists).collect())
    }

    /// The data of accounts, as far as they exist and it can be read, and at which slot that is so. At most
    /// [`ACCOUNTS_MAX`].
    pub(crate) async fn data(
        &self,
        addresses: &[Pubkey],
        min_context_slot: Option<u64>,
    ) -> Result<(u64, Vec<Option<AccountBytes>>), ReconcileError> {
        let commitment = self.pool.commitment();
        let answer: InContext<Vec<Option<AccountData>>> =
            self.accounts(addresses, None, commitment, min_context_slot).await?;
        let bytes = |account: AccountData| AccountBytes(decoded(&account));
        let accounts = answer.value.into_iter().map(|account| account.map(bytes));
        Ok((answer.context.slot, accounts.collect()))
    }

    async fn accounts<T: serde::de::DeserializeOwned>(
        &self,
        addresses: &[Pubkey],
        slice: Option<(usize, usize)>,
        commitment: CommitmentConfig,
        min_context_slot: Option<u64>,
    ) -> Result<InContext<Vec<Option<T>>>, ReconcileError> {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut config = json!({"encoding": "base64", "commitment": commitment.commitment});
        if let Some((offset, length)) = slice {
            config["dataSlice"] = json!({"offset": offset, "length": length});
        }
        if let Some(slot) = min_context_slot {
            config["minContextSlot"] = json!(slot);
        }
        let answer: InContext<Vec<Option<T>>> = self
            .ask(
                RpcRequest::GetMultipleAccounts,
                "getMultipleAccounts",
                json!([texts, config]),
            )
            .await?;
        let (asked, got) = (addresses.len(), answer.value.len());
        if asked == got {
            return Ok(answer);
        }
        Err(ReconcileError::Reply(format!(
            "asked for {asked} accounts and got {got}"
        )))
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: RpcRequest,
        name: &'static str,
        parameters: Value,
    ) -> Result<T, ReconcileError> {
        self.pace.wait(&self.pool, name).await;
        let answer = self.pool.call(name, None, |client| {
            let parameters = parameters.clone();
            async move { client.send(request, parameters).await }
        });
        Ok(answer.await?)
    }
}

/// An account's data; `None` if the node writes it in a way that cannot be read.
pub(crate) struct AccountBytes(pub(crate) Option<Vec<u8>>);

/// The entry that an account is; its name if it is none.
fn listed(account: Lenient<KeyedAccount>) -> Result<ListedEntry, String> {
    let Lenient::Readable(account) = account else {
        return Err("an account without an address".to_owned());
    };
    let session = decoded(&account.account).and_then(|data| session_in(&data));
    match (account.pubkey.parse(), session) {
        (Ok(address), Some(session)) => Ok(ListedEntry { address, session }),
        _ => Err(account.pubkey),
    }
}

/// The session's address in the slice that was asked for, or in the whole data of a node that slices nothing.
fn session_in(data: &[u8]) -> Option<Pubkey> {
    let session = if data.len() > SESSION_LENGTH {
        data.get(SESSION_OFFSET..SESSION_OFFSET + SESSION_LENGTH)?
    } else {
        data
    };
    session.try_into().ok()
}

fn decoded(account: &AccountData) -> Option<Vec<u8>> {
    account.data.0.as_ref().and_then(|text| STANDARD.decode(text).ok())
}
