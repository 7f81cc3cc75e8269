//! What a listener asks the chain about accounts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use session_chain::RpcPool;
use session_events::SessionEntry;
use solana_client::rpc_request::RpcRequest;
use solana_pubkey::Pubkey;

use crate::{
    decode::wire::{AccountOwner, InContext, KeyedAccount},
    error::ReconcileError,
};

/// Most accounts that a node gives at once (Solana RPC, `getMultipleAccounts`).
const ACCOUNTS_MAX: usize = 100;

/// The factory's accounts, and those that it asks for.
pub(crate) struct FactoryAccounts {
    pub(crate) pool: RpcPool,
    pub(crate) program_id: Pubkey,
}

/// All entries at one moment.
pub(crate) struct Entries {
    pub(crate) slot: u64,
    /// Each account that starts as an entry does.
    pub(crate) accounts: Vec<EntryAccount>,
}

/// An account that starts as an entry does.
pub(crate) struct EntryAccount {
    /// As the node writes it.
    pub(crate) address: String,
    /// Its data, unless the node writes it in a way that cannot be read.
    pub(crate) data: Option<Vec<u8>>,
}

impl FactoryAccounts {
    /// All accounts of the factory that start as a `SessionEntry`. The status cannot be filtered by: it comes after texts of
    /// any length.
    pub(crate) async fn entries(&self) -> Result<Entries, ReconcileError> {
        let discriminator = bs58::encode(SessionEntry::DISCRIMINATOR).into_string();
        let parameters = json!([self.program_id.to_string(), {
            "encoding": "base64",
            "commitment": self.pool.commitment().commitment,
            "withContext": true,
            "filters": [{"memcmp": {"offset": 0, "bytes": discriminator, "encoding": "base58"}}],
        }]);
        let answer: InContext<Vec<KeyedAccount>> = self
            .ask(RpcRequest::GetProgramAccounts, "getProgramAccounts", parameters)
            .await?;
        Ok(Entries {
            slot: answer.context.slot,
            accounts: answer.value.into_iter().map(entry).collect(),
        })
    }

    /// For each session whether its account exists, which is to say belongs to `session_program`. Lamports alone make no
    /// account.
    pub(crate) async fn exist(
        &self,
        sessions: &[Pubkey],
        session_program: &Pubkey,
        min_context_slot: u64,
    ) -> Result<Vec<bool>, ReconcileError> {
        let session_program = session_program.to_string();
        let mut exist = Vec::with_capacity(sessions.len());
        for chunk in sessions.chunks(ACCOUNTS_MAX) {
            let addresses: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            let parameters = json!([addresses, {
                "encoding": "base64",
                "commitment": self.pool.commitment().commitment,
                "dataSlice": {"offset": 0, "length": 0},
                "minContextSlot": min_context_slot,
            }]);
            let answer: InContext<Vec<Option<AccountOwner>>> = self
                .ask(RpcRequest::GetMultipleAccounts, "getMultipleAccounts", parameters)
                .await?;
            if answer.value.len() != chunk.len() {
                let (asked, got) = (chunk.len(), answer.value.len());
                return Err(ReconcileError::Reply(format!(
                    "asked for {asked} accounts and got {got}"
                )));
            }
            let owners = answer.value.into_iter();
            exist.extend(owners.map(|account| account.is_some_and(|account| account.owner == session_program)));
        }
        Ok(exist)
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: RpcRequest,
        name: &'static str,
        parameters: Value,
    ) -> Result<T, ReconcileError> {
        let answer = self.pool.call(name, None, |client| {
            let parameters = parameters.clone();
            async move { client.send(request, parameters).await }
        });
        Ok(answer.await?)
    }
}

fn entry(keyed: KeyedAccount) -> EntryAccount {
    let data = keyed.account.data.0;
    EntryAccount {
        address: keyed.pubkey,
        data: data.and_then(|text| STANDARD.decode(text).ok()),
    }
}
