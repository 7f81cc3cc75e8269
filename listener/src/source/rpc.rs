//! What a listener asks the chain over JSON-RPC.

use std::sync::Arc;

use futures::future;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use session_chain::{ChainError, CommitmentConfig, EndpointLabel, Retryability, RpcClient, RpcPool};
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
    decode::wire::{ConfirmedTransaction, Fate, InContext, ListedTransaction},
    patience::Setback,
    source::{
        evidence::{self, Absurd, Subject, TipWatch},
        pager::{Page, Pages, WalkError},
    },
};

/// Transactions of version 1 exist since September 2026; a lower number is answered with error -32015.
const TRANSACTION_VERSION_MAX: u8 = 1;

/// The chain, as far as one program's history is concerned.
#[derive(Clone)]
pub(crate) struct ProgramHistory {
    pub(crate) pool: RpcPool,
    pub(crate) program_id: Pubkey,
    tips: Arc<TipWatch>,
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
    #[error("{endpoint} tells {absurd}, and no other endpoint bears it out")]
    AbsurdTip { endpoint: EndpointLabel, absurd: Absurd },
    #[error("no endpoint proves that nothing happened before: {detail}")]
    UnprovenEnd { detail: String },
    #[error("no endpoint proves yet that nothing happened before: {detail}")]
    NotYetProven { detail: String },
}

impl Setback for HistoryError {
    fn needs_action(&self) -> bool {
        match self {
            Self::Chain(error) => error.retryability() == Retryability::Never,
            Self::BadSignature { .. } | Self::Gap { .. } | Self::UnprovenEnd { .. } => true,
            Self::MissingTransaction { .. }
            | Self::Unreadable { .. }
            | Self::BehindCursor { .. }
            | Self::NotYetProven { .. }
            | Self::AbsurdTip { .. } => false,
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
    pub(crate) fn new(pool: RpcPool, program_id: Pubkey) -> Self {
        Self {
            pool,
            program_id,
            tips: Arc::default(),
        }
    }

    /// The newest slot at the configured commitment. A slot that cannot be is believed of two endpoints, and not of one.
    ///
    /// # Errors
    /// [`HistoryError::AbsurdTip`] where one endpoint tells such a slot and no other bears it out.
    pub(crate) async fn tip(&self) -> Result<u64, HistoryError> {
        let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
        let tip = self.pool.call("getSlot", None, ask).await?;
        let Err(absurd) = self.tips.check(tip) else {
            return Ok(tip);
        };
        let answers = self.pool.on_each("getSlot", None, ask).await;
        let told: Vec<(EndpointLabel, u64)> = self
            .labelled(answers)
            .filter_map(|(label, tip)| Some((label, tip.ok()?)))
            .collect();
        if let Some(tip) = self.tips.choose(&told) {
            return Ok(tip);
        }
        let endpoint = self.pool.preferred().label();
        Err(HistoryError::AbsurdTip { endpoint, absurd })
    }

    /// A transaction with its logs and inner instructions, from the first endpoint that answers.
    pub(crate) async fn transaction(&self, signature: Signature) -> Result<ConfirmedTransaction, HistoryError> {
        let parameters = transaction_parameters(&signature, self.pool.commitment());
        let transaction: Option<_> = self
            .pool
            .call("getTransaction", None, |client| {
                let parameters = parameters.clone();
                async move { client.send(RpcRequest::GetTransaction, parameters).await }
            })
            .await?;
        transaction.ok_or(HistoryError::MissingTransaction { signature })
    }

    /// What every endpoint has of a transaction, the preferred one's first; nothing where there is only one endpoint, which
    /// has been asked.
    pub(crate) async fn transaction_anywhere(
        &self,
        signature: Signature,
    ) -> Vec<(EndpointLabel, ConfirmedTransaction)> {
        if self.pool.endpoints().len() < 2 {
            return Vec::new();
        }
        let parameters = transaction_parameters(&signature, self.pool.commitment());
        let answers = self.pool.on_each("getTransaction", None, |client| {
            let parameters = parameters.clone();
            async move {
                client
                    .send::<Option<ConfirmedTransaction>>(RpcRequest::GetTransaction, parameters)
                    .await
            }
        });
        let mut found = Vec::new();
        for (label, answer) in self.labelled(answers.await) {
            match answer {
                Ok(Some(transaction)) => found.push((label, transaction)),
                Ok(None) => evidence::disagrees(&label, Subject::Transaction, "it does not have the transaction"),
                Err(error) => tracing::debug!(endpoint = %label, %error, "a transaction was asked for in vain"),
            }
        }
        found
    }

    /// Answers of all endpoints with their names.
    pub(super) fn labelled<T>(
        &self,
        answers: Vec<Result<T, ChainError>>,
    ) -> impl Iterator<Item = (EndpointLabel, Result<T, ChainError>)> {
        let labels = self.pool.endpoints().into_iter().map(|endpoint| endpoint.label());
        labels.zip(answers)
    }

    /// The transactions of an address, by nodes that have reached `min_context_slot`.
    pub(crate) fn pages_of(&self, address: Pubkey, min_context_slot: u64) -> AddressPages {
        AddressPages {
            history: self.clone(),
            address,
            min_context_slot,
        }
    }
}

/// `getSignaturesForAddress`, page by page.
pub(crate) struct AddressPages {
    history: ProgramHistory,
    address: Pubkey,
    min_context_slot: u64,
}

impl AddressPages {
    fn parameters(&self, before: Option<Signature>, limit: usize) -> Value {
        let config = RpcSignaturesForAddressConfig {
            before: before.map(|signature| signature.to_string()),
            until: None,
            limit: Some(limit),
            commitment: Some(self.history.pool.commitment()),
            min_context_slot: Some(self.min_context_slot),
        };
        json!([self.address.to_string(), config])
    }
}

impl Pages for AddressPages {
    type Error = HistoryError;

    /// One node tells how far it has finalized, and then what it lists: the one is no evidence for another's listing.
    async fn page(&self, before: Option<Signature>, limit: usize) -> Result<Page, HistoryError> {
        let parameters = self.parameters(before, limit);
        let ask = |client: Arc<RpcClient>| {
            let parameters = parameters.clone();
            async move {
                let finalized = client.get_slot_with_commitment(CommitmentConfig::finalized()).await?;
                let entries = client.send(RpcRequest::GetSignaturesForAddress, parameters).await?;
                Ok((finalized, entries))
            }
        };
        let answer = self.history.pool.call("getSignaturesForAddress", None, ask).await?;
        page(answer, None)
    }

    async fn page_beyond_empty(
        &self,
        before: Option<Signature>,
        limit: usize,
        floor_slot: u64,
    ) -> Result<Page, HistoryError> {
        let parameters = self.parameters(before, limit);
        let commitment = self.history.pool.commitment();
        let answers = self.history.pool.on_each("getSignaturesForAddress", None, |client| {
            let parameters = parameters.clone();
            async move {
                let finalized = client.get_slot_with_commitment(CommitmentConfig::finalized()).await?;
                let entries: Vec<ListedTransaction> =
                    client.send(RpcRequest::GetSignaturesForAddress, parameters).await?;
                let beginning = if entries.is_empty() {
                    Some(beginning(&client, before, commitment).await?)
                } else {
                    None
                };
                Ok((finalized, entries, beginning))
            }
        });
        let (mut found, mut proven, mut empty, mut reasons) = (None, None, Vec::new(), Vec::new());
        let mut pruned = false;
        for (label, answer) in self.history.labelled(answers.await) {
            match answer {
                Ok((finalized, entries, None)) => {
                    found.get_or_insert((finalized, entries));
                }
                Ok((finalized, entries, Some(beginning))) => {
                    match beginning.proves_nothing_after(floor_slot) {
                        Ok(()) => {
                            proven.get_or_insert(((finalized, entries), beginning.first_available));
                        }
                        Err(doubt) => {
                            pruned |= matches!(doubt, Doubt::Pruned { .. });
                            reasons.push(format!("{label} {doubt}"));
                        }
                    }
                    empty.push(label);
                }
                Err(error) => reasons.push(format!("{label}: {error}")),
            }
        }
        if let Some(answer) = found {
            for label in &empty {
                evidence::disagrees(
                    label,
                    Subject::History,
                    "it lists nothing where another endpoint lists transactions",
                );
            }
            return page(answer, None);
        }
        match proven {
            Some((answer, first_available)) => page(answer, Some(first_available)),
            // What is pruned stays pruned; a node that is asked again may have caught up or be reached.
            None if pruned => Err(HistoryError::UnprovenEnd {
                detail: reasons.join("; "),
            }),
            None => Err(HistoryError::NotYetProven {
                detail: reasons.join("; "),
            }),
        }
    }
}

/// Why a listing of nothing is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Doubt {
    /// It lags, or is not the node that listed the transaction.
    #[error("does not know the transaction before which it lists nothing")]
    UnknownBefore,
    /// Its history begins too late.
    #[error("has no history before slot {first_available}, and slot {floor_slot} was the last that is listed")]
    Pruned { first_available: u64, floor_slot: u64 },
}

/// What a node that lists nothing says about its history.
struct Beginning {
    /// The first slot that it has.
    first_available: u64,
    /// Whether it knows the transaction before which it lists nothing.
    knows_before: bool,
}

impl Beginning {
    /// Whether a listing of nothing means that nothing happened after the slot.
    fn proves_nothing_after(&self, floor_slot: u64) -> Result<(), Doubt> {
        if !self.knows_before {
            return Err(Doubt::UnknownBefore);
        }
        // From the genesis on means from what the endpoints still have, and each of them was asked.
        let first_available = self.first_available;
        if floor_slot > 0 && first_available > floor_slot.saturating_add(1) {
            return Err(Doubt::Pruned {
                first_available,
                floor_slot,
            });
        }
        Ok(())
    }
}

async fn beginning(
    client: &RpcClient,
    before: Option<Signature>,
    commitment: CommitmentConfig,
) -> Result<Beginning, session_chain::ClientError> {
    let known = async {
        match before {
            None => Ok(true),
            Some(signature) => knows(client, signature, commitment).await,
        }
    };
    let (first_available, knows_before) = future::try_join(client.get_first_available_block(), known).await?;
    Ok(Beginning {
        first_available,
        knows_before,
    })
}

/// Whether the node has a transaction, in its statuses or in its blocks: for what was just confirmed, one of the two may
/// still be missing.
async fn knows(
    client: &RpcClient,
    signature: Signature,
    commitment: CommitmentConfig,
) -> Result<bool, session_chain::ClientError> {
    let parameters = json!([[signature.to_string()], {"searchTransactionHistory": true}]);
    let statuses: InContext<Vec<Option<IgnoredAny>>> =
        client.send(RpcRequest::GetSignatureStatuses, parameters).await?;
    if statuses.value.first().is_some_and(Option::is_some) {
        return Ok(true);
    }
    let parameters = transaction_parameters(&signature, commitment);
    let transaction: Option<IgnoredAny> = client.send(RpcRequest::GetTransaction, parameters).await?;
    Ok(transaction.is_some())
}

pub(super) fn transaction_parameters(signature: &Signature, commitment: CommitmentConfig) -> Value {
    let config = RpcTransactionConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        commitment: Some(commitment),
        max_supported_transaction_version: Some(TRANSACTION_VERSION_MAX),
    };
    json!([signature.to_string(), config])
}

fn page(
    (finalized, entries): (u64, Vec<ListedTransaction>),
    first_available: Option<u64>,
) -> Result<Page, HistoryError> {
    Ok(Page {
        entries: entries.iter().map(listed).collect::<Result<_, _>>()?,
        finalized,
        first_available,
    })
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
