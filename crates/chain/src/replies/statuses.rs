//! What became of transactions, by their signatures.

use std::sync::Arc;

use serde_json::{Value, json};
use solana_client::rpc_request::RpcError;
use solana_sdk::signature::Signature;
use tokio::time::Instant;

use super::{InContext, TransactionFailure, ask};
use crate::{ChainError, ClientError, CommitmentConfig, RpcClient, RpcPool};

const METHOD: &str = "getSignatureStatuses";

/// How far the cluster has agreed on a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// In a block.
    Processed,
    /// Voted for.
    Confirmed,
    /// Rooted.
    Finalized,
}

/// What a node knows of a transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureStatus {
    /// The block's slot.
    pub slot: u64,
    /// How far the cluster has agreed on it.
    pub level: Level,
    /// `Ok` if it succeeded. `Err(None)` where the status says neither success nor failure: it is in a block and did
    /// not run.
    pub result: Result<(), Option<TransactionFailure>>,
}

/// What a node says of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusReply {
    /// It knows no such transaction.
    Unknown,
    /// Its words could not be read, which says nothing of the transaction.
    Unreadable(String),
    /// It knows it.
    Known(SignatureStatus),
}

/// The slot of the answer, and a reply for each of at most 256 signatures, from the node's recent statuses.
///
/// # Errors
/// [`ChainError`] if no endpoint answers before `deadline`, or none with as many entries as signatures.
pub async fn signature_statuses(
    pool: &RpcPool,
    signatures: &[Signature],
    deadline: Option<Instant>,
) -> Result<(u64, Vec<StatusReply>), ChainError> {
    let names = names(signatures);
    let names = &names;
    let ask = |client: Arc<RpcClient>| async move { statuses(&client, names).await };
    pool.call(METHOD, deadline, ask).await
}

/// The same from every endpoint, where it matters that a transaction is unknown: it is known if any of them knows it. The
/// slot is the lowest of those who answered.
///
/// # Errors
/// [`ChainError`] if no endpoint answers before `deadline`.
pub async fn signature_statuses_everywhere(
    pool: &RpcPool,
    signatures: &[Signature],
    deadline: Option<Instant>,
) -> Result<(u64, Vec<StatusReply>), ChainError> {
    if pool.is_one_endpoint() {
        return signature_statuses(pool, signatures, deadline).await;
    }
    let names = names(signatures);
    let names = &names;
    let ask = |client: Arc<RpcClient>| async move { statuses(&client, names).await };
    let mut answers = pool.on_each(METHOD, deadline, ask).await.into_iter();
    let mut together = answers.next().unwrap_or(Err(ChainError::NoEndpoints));
    for answer in answers {
        together = match (together, answer) {
            (Ok((one_slot, one)), Ok((other_slot, other))) => {
                let surer = one.into_iter().zip(other).map(|(one, other)| one.surer(other));
                Ok((one_slot.min(other_slot), surer.collect()))
            }
            (Ok(one), Err(_)) => Ok(one),
            (Err(_), other) => other,
        };
    }
    together
}

fn names(signatures: &[Signature]) -> Vec<String> {
    signatures.iter().map(ToString::to_string).collect()
}

async fn statuses(client: &RpcClient, names: &[String]) -> Result<(u64, Vec<StatusReply>), ClientError> {
    let reply: InContext<Vec<Value>> = ask(client, METHOD, json!([names])).await?;
    if reply.value.len() != names.len() {
        let expected = format!("{} statuses, not {}", names.len(), reply.value.len());
        return Err(RpcError::ParseError(expected).into());
    }
    Ok((reply.context.slot, reply.value.iter().map(StatusReply::read).collect()))
}

impl Level {
    /// Whether a block at this level has reached `commitment`.
    #[must_use]
    pub fn satisfies(self, commitment: CommitmentConfig) -> bool {
        if commitment.is_finalized() {
            self == Self::Finalized
        } else if commitment.is_confirmed() {
            self >= Self::Confirmed
        } else {
            true
        }
    }

    /// Old nodes say confirmations instead: none are left to count once the block is rooted.
    fn read(status: &Value) -> Self {
        match status.get("confirmationStatus").and_then(Value::as_str) {
            Some("finalized") => Self::Finalized,
            Some("confirmed") => Self::Confirmed,
            Some("processed") => Self::Processed,
            _ if status.get("confirmations").is_some_and(Value::is_null) => Self::Finalized,
            _ => Self::Processed,
        }
    }
}

impl StatusReply {
    /// Of two nodes' words on one transaction those that say more: of two blocks the one that more have agreed on.
    fn surer(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(one), Self::Known(other)) => Self::Known(if other.level > one.level { other } else { one }),
            (known @ Self::Known(_), _) | (_, known @ Self::Known(_)) => known,
            (unreadable @ Self::Unreadable(_), _) | (_, unreadable @ Self::Unreadable(_)) => unreadable,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }

    fn read(status: &Value) -> Self {
        if status.is_null() {
            return Self::Unknown;
        }
        let Some(slot) = status.get("slot").and_then(Value::as_u64) else {
            return Self::Unreadable(status.to_string());
        };
        Self::Known(SignatureStatus {
            slot,
            level: Level::read(status),
            result: result(status),
        })
    }
}

/// `err` says it; where that is left out, the older field `status` does.
fn result(status: &Value) -> Result<(), Option<TransactionFailure>> {
    let failed = |err: &Value| Err(Some(TransactionFailure::read(err)));
    match (status.get("err"), status.get("status")) {
        (Some(Value::Null), _) => Ok(()),
        (Some(err), _) => failed(err),
        (None, Some(status)) => match (status.get("Ok"), status.get("Err")) {
            (Some(_), _) => Ok(()),
            (None, Some(err)) => failed(err),
            (None, None) => Err(None),
        },
        (None, None) => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use solana_sdk::transaction::TransactionError;

    use super::*;

    fn known(status: &Value) -> SignatureStatus {
        match StatusReply::read(status) {
            StatusReply::Known(status) => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_entry_that_cannot_be_read_is_not_an_absent_one() {
        assert_eq!(StatusReply::read(&Value::Null), StatusReply::Unknown);
        assert!(matches!(
            StatusReply::read(&json!({"slot": "seven"})),
            StatusReply::Unreadable(_)
        ));
    }

    #[test]
    fn success_failure_and_neither_are_told_apart() {
        assert_eq!(known(&json!({"slot": 5, "err": null})).result, Ok(()));
        assert_eq!(known(&json!({"slot": 5, "status": {"Ok": null}})).result, Ok(()));
        let failure = TransactionFailure::Known(TransactionError::AccountInUse);
        assert_eq!(
            known(&json!({"slot": 5, "err": "AccountInUse"})).result,
            Err(Some(failure))
        );
        let unknown = TransactionFailure::Unknown("\"OfNextYear\"".to_owned());
        assert_eq!(
            known(&json!({"slot": 5, "err": "OfNextYear"})).result,
            Err(Some(unknown))
        );
        assert_eq!(known(&json!({"slot": 5})).result, Err(None));
    }

    #[test]
    fn levels_by_name_or_by_confirmations() {
        let level = |status: Value| known(&status).level;
        assert_eq!(
            level(json!({"slot": 5, "confirmationStatus": "confirmed", "err": null})),
            Level::Confirmed
        );
        assert_eq!(
            level(json!({"slot": 5, "confirmations": null, "err": null})),
            Level::Finalized
        );
        assert_eq!(
            level(json!({"slot": 5, "confirmations": 1, "err": null})),
            Level::Processed
        );
        assert!(Level::Finalized.satisfies(CommitmentConfig::confirmed()));
        assert!(!Level::Processed.satisfies(CommitmentConfig::confirmed()));
        assert!(!Level::Confirmed.satisfies(CommitmentConfig::finalized()));
    }
}
