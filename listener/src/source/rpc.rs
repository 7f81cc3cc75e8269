//! What a listener asks the chain over JSON-RPC.

use std::sync::Arc;

use serde_json::{Value, json};
use session_chain::{ChainError, ClientError, CommitmentConfig, EndpointLabel, Retryability, RpcClient, RpcPool};
use solana_client::{rpc_config::RpcTransactionConfig, rpc_request::RpcRequest};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_transaction_status_client_types::UiTransactionEncoding;

use crate::{
    decode::reading::Unreadable,
    decode::wire::ConfirmedTransaction,
    patience::Setback,
    source::{
        evidence::{self, Absurd, Subject, TipWatch},
        heard::HeardSlot,
        pager::WalkError,
    },
};

/// Transactions of version 1 exist since September 2026; a lower number is answered with error -32015.
const TRANSACTION_VERSION_MAX: u8 = 1;

async fn slot_of(client: Arc<RpcClient>) -> Result<u64, ClientError> {
    client.get_slot().await
}

/// The chain, as far as one program's history is concerned.
#[derive(Clone)]
pub(crate) struct ProgramHistory {
    pub(crate) pool: RpcPool,
    pub(crate) program_id: Pubkey,
    tips: Arc<TipWatch>,
    /// The slots that the stream tells.
    pub(crate) heard: Arc<HeardSlot>,
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
    #[error("the node is at slot {tip}, and the watermark at slot {watermark}: waiting for the node")]
    BehindWatermark { tip: u64, watermark: u64 },
    #[error("the node's history is not whole: {detail}")]
    Gap { detail: String },
    #[error("{endpoint} tells {absurd}, and no other endpoint bears it out")]
    AbsurdTip { endpoint: EndpointLabel, absurd: Absurd },
    #[error(
        "no endpoint proves that nothing happened before: {detail}; name one with older history in rpc.fallback_urls, or compare \
         account state (session-builder reconcile --full) and begin later (session-builder watermark set)"
    )]
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
            | Self::BehindWatermark { .. }
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
            heard: Arc::default(),
        }
    }

    /// The newest slot at the configured commitment. A slot that cannot be is believed of two endpoints, and not of one; nor is
    /// the first slot of all.
    ///
    /// # Errors
    /// [`HistoryError::AbsurdTip`] where one endpoint tells such a slot and no other bears it out.
    pub(crate) async fn tip(&self) -> Result<u64, HistoryError> {
        let several = self.pool.endpoints().len() > 1;
        if several
            && self.tips.is_new()
            && let Some(tip) = self.tips.choose(&self.tips_of_all().await)
        {
            return Ok(tip);
        }
        let tip = self.pool.call("getSlot", None, slot_of).await?;
        let Err(absurd) = self.tips.check(tip) else {
            return Ok(tip);
        };
        if let Some(tip) = self.tips.choose(&self.tips_of_all().await) {
            return Ok(tip);
        }
        let endpoint = self.pool.preferred().label();
        Err(HistoryError::AbsurdTip { endpoint, absurd })
    }

    /// The newest slot that should be confirmed, as the stream tells it: nobody has to be asked. `None` where it tells none, or
    /// none that can be, and where something else counts than what is confirmed.
    fn heard(&self) -> Option<u64> {
        let confirmed = self.pool.commitment() == CommitmentConfig::confirmed();
        let heard = self.heard.confirmed().filter(|_| confirmed);
        heard.filter(|slot| self.tips.check(*slot).is_ok())
    }

    /// The newest slot, which is `slot` or beyond: as the stream tells it; where that is silent or behind, the preferred endpoint
    /// is asked, and where that is behind, too, the others.
    ///
    /// # Errors
    /// Those of [`tip`](Self::tip), and [`HistoryError::BehindWatermark`] where no endpoint has reached the slot.
    pub(crate) async fn tip_beyond(&self, slot: u64) -> Result<u64, HistoryError> {
        if let Some(heard) = self.heard().filter(|heard| *heard >= slot) {
            return Ok(heard);
        }
        let first = self.tip().await?;
        if first >= slot {
            return Ok(first);
        }
        let told = self.tips_of_all().await;
        let tip = self.tips.choose(&told).unwrap_or(first).max(first);
        if tip < slot {
            return Err(HistoryError::BehindWatermark { tip, watermark: slot });
        }
        for (endpoint, behind) in told.iter().filter(|(_, tip)| *tip < slot) {
            let how = format!("it tells slot {behind}, and slot {slot} was passed before");
            evidence::disagrees(endpoint, Subject::Tip, &how);
        }
        Ok(tip)
    }

    /// The first slot of which the preferred endpoint has anything.
    pub(crate) async fn first_available(&self) -> Result<u64, HistoryError> {
        let ask = |client: Arc<RpcClient>| async move { client.get_first_available_block().await };
        let first = self.pool.call("getFirstAvailableBlock", None, ask).await?;
        // Whoever tells a slot that cannot be is not believed here either.
        Ok(if self.check_slot(first).is_ok() { first } else { 0 })
    }

    /// What every endpoint that answers tells.
    async fn tips_of_all(&self) -> Vec<(EndpointLabel, u64)> {
        let answers = self.pool.on_each("getSlot", None, slot_of).await;
        let told = self.labelled(answers);
        told.filter_map(|(label, tip)| Some((label, tip.ok()?))).collect()
    }

    /// Whether a slot can be, by what was heard before.
    ///
    /// # Errors
    /// [`Absurd`] says which could be.
    pub(super) fn check_slot(&self, slot: u64) -> Result<(), Absurd> {
        self.tips.check(slot)
    }

    /// Of what several endpoints tell, the newest slot that is believed.
    pub(super) fn believed_tip(&self, told: &[(EndpointLabel, u64)]) -> Option<u64> {
        self.tips.choose(told)
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
}

pub(super) fn transaction_parameters(signature: &Signature, commitment: CommitmentConfig) -> Value {
    let config = RpcTransactionConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        commitment: Some(commitment),
        max_supported_transaction_version: Some(TRANSACTION_VERSION_MAX),
    };
    json!([signature.to_string(), config])
}
