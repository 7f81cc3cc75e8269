//! What a listener asks the chain about accounts.

use serde_json::{Value, json};
use session_chain::RpcPool;
use session_events::SessionEntry;
use solana_client::{
    rpc_request::RpcRequest,
    rpc_response::{OptionalContext, Response, RpcKeyedAccount},
};
use solana_pubkey::Pubkey;

use crate::error::ReconcileError;

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
    /// Address and data of each account that starts as an entry does.
    pub(crate) accounts: Vec<(Pubkey, Vec<u8>)>,
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
        let answer: OptionalContext<Vec<RpcKeyedAccount>> = self
            .ask(RpcRequest::GetProgramAccounts, "getProgramAccounts", parameters)
            .await?;
        let OptionalContext::Context(Response { context, value }) = answer else {
            return Err(ReconcileError::Reply(
                "getProgramAccounts does not say at which slot".to_owned(),
            ));
        };
        Ok(Entries {
            slot: context.slot,
            accounts: value.iter().map(account).collect::<Result<_, _>>()?,
        })
    }

    /// For each session whether its account exists, which is to say belongs to its owner program. Lamports alone make no
    /// account (pitfall 21).
    pub(crate) async fn exist(
        &self,
        sessions: &[(Pubkey, Pubkey)],
        min_context_slot: u64,
    ) -> Result<Vec<bool>, ReconcileError> {
        let mut exist = Vec::with_capacity(sessions.len());
        for chunk in sessions.chunks(ACCOUNTS_MAX) {
            let addresses: Vec<String> = chunk.iter().map(|(address, _)| address.to_string()).collect();
            let parameters = json!([addresses, {
                "encoding": "base64",
                "commitment": self.pool.commitment().commitment,
                "dataSlice": {"offset": 0, "length": 0},
                "minContextSlot": min_context_slot,
            }]);
            let answer: Response<Vec<Value>> = self
                .ask(RpcRequest::GetMultipleAccounts, "getMultipleAccounts", parameters)
                .await?;
            if answer.value.len() != chunk.len() {
                let (asked, got) = (chunk.len(), answer.value.len());
                return Err(ReconcileError::Reply(format!(
                    "asked for {asked} accounts and got {got}"
                )));
            }
            exist.extend(chunk.iter().zip(&answer.value).map(|((_, owner), account)| {
                account.get("owner").and_then(Value::as_str) == Some(owner.to_string().as_str())
            }));
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

fn account(keyed: &RpcKeyedAccount) -> Result<(Pubkey, Vec<u8>), ReconcileError> {
    let address = keyed
        .pubkey
        .parse()
        .map_err(|_| ReconcileError::Reply(format!("{:?} is no address", keyed.pubkey)))?;
    let data = keyed.account.data.decode();
    let data = data.ok_or_else(|| ReconcileError::Reply(format!("the data of {address} does not decode")))?;
    Ok((address, data))
}
