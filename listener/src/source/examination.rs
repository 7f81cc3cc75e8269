//! The last word on a transaction that cannot be had whole: every endpoint is asked, and what each answers is kept.

use session_chain::{ChainError, EndpointLabel};
use session_message::Origin;
use solana_client::rpc_request::RpcRequest;
use solana_sdk::signature::Signature;

use crate::{
    decode::{
        reading::{Found, Reader, Reading},
        wire::ConfirmedTransaction,
    },
    quarantine::item::{Finding, QuarantineReason, Testimony},
    source::rpc::{ProgramHistory, transaction_parameters},
};

/// What all endpoints together know of a transaction.
pub(crate) enum Examination {
    /// One of them gives it whole.
    Whole(Reading),
    /// None does.
    Not {
        /// The events that are certain all the same.
        certain: Vec<Found>,
        finding: Finding,
    },
}

/// Asks every endpoint for a transaction, once.
pub(crate) async fn examine(
    history: &ProgramHistory,
    reader: &Reader,
    signature: Signature,
    origin: Origin,
) -> Examination {
    let mut evidence = Vec::new();
    let mut partly: Option<(Reading, String)> = None;
    let mut malformed = None;
    for (endpoint, answer) in history.transaction_of_each(signature).await {
        match answer {
            Ok(Some(transaction)) => {
                let reading = reader.read_transaction(&signature, &transaction, origin);
                let Some(gap) = &reading.gap else {
                    return Examination::Whole(reading);
                };
                let gap = gap.to_string();
                evidence.push(Testimony::now(&endpoint, &gap));
                partly.get_or_insert((reading, gap));
            }
            Ok(None) => evidence.push(Testimony::now(&endpoint, "null: it does not have the transaction")),
            Err(error) => {
                if let ChainError::MalformedReply { reason, .. } = &error {
                    malformed.get_or_insert_with(|| format!("an endpoint's reply cannot be read: {reason}"));
                }
                evidence.push(Testimony::now(&endpoint, error));
            }
        }
    }
    let (certain, reason, detail) = match (partly, malformed) {
        (Some((reading, gap)), _) => (reading.events, QuarantineReason::Unreadable, gap),
        (None, Some(malformed)) => (Vec::new(), QuarantineReason::Unreadable, malformed),
        (None, None) => {
            let detail = String::from("the chain lists the transaction, and no endpoint gives it");
            (Vec::new(), QuarantineReason::Withheld, detail)
        }
    };
    Examination::Not {
        certain,
        finding: Finding {
            reason,
            detail,
            evidence,
        },
    }
}

impl ProgramHistory {
    /// What every endpoint answers when it is asked for a transaction.
    async fn transaction_of_each(
        &self,
        signature: Signature,
    ) -> Vec<(EndpointLabel, Result<Option<ConfirmedTransaction>, ChainError>)> {
        let parameters = transaction_parameters(&signature, self.pool.commitment());
        let answers = self.pool.on_each("getTransaction", None, |client| {
            let parameters = parameters.clone();
            async move { client.send(RpcRequest::GetTransaction, parameters).await }
        });
        self.labelled(answers.await).collect()
    }
}
