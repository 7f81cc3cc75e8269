//! What a listener asks the chain over JSON-RPC.

use serde_json::json;
use session_chain::{ChainError, Retryability, RpcPool};
use solana_client::{
    rpc_config::{RpcSignaturesForAddressConfig, RpcTransactionConfig},
    rpc_request::RpcRequest,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_transaction_status_client_types::UiTransactionEncoding;

use crate::{
    decode::listed::Listed,
    decode::reading::Unreadable,
    decode::wire::{ConfirmedTransaction, Fate, ListedTransaction},
    patience::Setback,
    source::pager::{Pages, WalkError},
};

/// Transactions of version 1 exist since September 2026; a lower number is answered with error -32015 (pitfall 12).
const TRANSACTION_VERSION_MAX: u8 = 1;

/// The chain, as far as one program's history is concerned.
#[derive(Clone)]
pub(crate) struct ProgramHistory {
    pub(crate) pool: RpcPool,
    pub(crate) program_id: Pubkey,
}

/// Why the chain did not answer a question about the program's history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the listing names {signature:?}, which is no signature")]
    BadSignature { signature: String },
    #[error("the node lists transaction {signature} and does not have it")]
    MissingTransaction { signature: Signature },
    #[error("transaction {signature} cannot be read as the node gives it: {reason}")]
    Unreadable { signature: Signature, reason: Unreadable },
    #[error("the node is at slot {tip}, and the cursor at slot {cursor}: waiting for the node")]
    BehindCursor { tip: u64, cursor: u64 },
    #[error("the node's history is not whole: {detail}")]
    Gap { detail: String },
}

impl Setback for HistoryError {
    fn needs_action(&self) -> bool {
        match self {
            Self::Chain(error) => error.retryability() == Retryability::Never,
            Self::BadSignature { .. } | Self::Gap { .. } => true,
            Self::MissingTransaction { .. } | Self::Unreadable { .. } | Self::BehindCursor { .. } => false,
        }
    }
}

impl From<WalkError<HistoryError>> for HistoryError {
    fn from(error: WalkError<HistoryError>) -> Self {
        match error {
            WalkError::Page(error) => *error,
            gap => Self::Gap {
                detail: gap.to_string(),
            },
        }
    }
}

impl ProgramHistory {
    /// The newest slot at the configured commitment.
    pub(crate) async fn tip(&self) -> Result<u64, HistoryError> {
        Ok(self
            .pool
            .call("getSlot", None, |client| async move { client.get_slot().await })
            .await?)
    }

    /// A transaction with its logs and inner instructions.
    pub(crate) async fn transaction(&self, signature: Signature) -> Result<ConfirmedTransaction, HistoryError> {
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(self.pool.commitment()),
            max_supported_transaction_version: Some(TRANSACTION_VERSION_MAX),
        };
        let parameters = json!([signature.to_string(), config]);
        let transaction: Option<_> = self
            .pool
            .call("getTransaction", None, |client| {
                let parameters = parameters.clone();
                async move { client.send(RpcRequest::GetTransaction, parameters).await }
            })
            .await?;
        transaction.ok_or(HistoryError::MissingTransaction { signature })
    }

    /// The transactions of an address, by nodes that have reached `min_context_slot`.
    pub(crate) fn pages_of(&self, address: Pubkey, min_context_slot: u64) -> AddressPages {
        AddressPages {
            pool: self.pool.clone(),
            address,
            min_context_slot,
        }
    }
}

/// `getSignaturesForAddress`, page by page.
pub(crate) struct AddressPages {
    pool: RpcPool,
    address: Pubkey,
    min_context_slot: u64,
}

impl Pages for AddressPages {
    type Error = HistoryError;

    async fn page(&self, before: Option<Signature>, limit: usize) -> Result<Vec<Listed>, HistoryError> {
        let config = RpcSignaturesForAddressConfig {
            before: before.map(|signature| signature.to_string()),
            until: None,
            limit: Some(limit),
            commitment: Some(self.pool.commitment()),
            min_context_slot: Some(self.min_context_slot),
        };
        let parameters = json!([self.address.to_string(), config]);
        let entries: Vec<ListedTransaction> = self
            .pool
            .call("getSignaturesForAddress", None, |client| {
                let parameters = parameters.clone();
                async move { client.send(RpcRequest::GetSignaturesForAddress, parameters).await }
            })
            .await?;
        entries.iter().map(listed).collect()
    }
}

fn listed(entry: &ListedTransaction) -> Result<Listed, HistoryError> {
    let signature = entry.signature.parse().map_err(|_| HistoryError::BadSignature {
        signature: entry.signature.clone(),
    })?;
    Ok(Listed {
        signature,
        slot: entry.slot,
        failed: entry.err == Fate::Failed,
    })
}
