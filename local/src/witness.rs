//! Sees what a function in another process has done: its answer names only what failed, so the chain is asked about
//! the rest. Otherwise nobody could watch accounts being created behind `cargo lambda watch`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use create_accounts::{Conclusion, Reason, Record, RecordObserver, RecordReport};
use futures::future::try_join_all;
use session_chain::{ChainError, RpcClient, RpcPool};
use session_engine::{CreationRequest, Engine, Outcome, Standing, validate};
use session_message::Message;
use solana_client::rpc_client::GetConfirmedSignaturesForAddress2Config;
use solana_pubkey::Pubkey;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::invoker::{FunctionUrl, InvokeError, Invoker};

/// The chain has just answered the function; a witness that waits longer only delays the deletion of messages.
const PATIENCE: Duration = Duration::from_secs(5);

/// A function whose records are looked up on chain once it has answered.
pub(crate) struct Witness {
    pub(crate) function: FunctionUrl,
    pub(crate) engine: Arc<Engine>,
    pub(crate) pool: RpcPool,
    pub(crate) observer: Arc<dyn RecordObserver>,
    /// When a record that failed is delivered again at the latest.
    pub(crate) visibility_timeout: Duration,
}

/// A record, and what it asks for.
struct Seen {
    record: Record,
    message: Option<Message>,
    request: Option<CreationRequest>,
}

#[async_trait]
impl Invoker for Witness {
    async fn invoke(&self, event: SqsEvent, deadline: Instant) -> Result<SqsBatchResponse, InvokeError> {
        let seen = self.read(&event)?;
        let response = self.function.invoke(event, deadline).await?;
        if !names_only(&seen, &response) {
            // The event source fails the whole batch for it: nothing is concluded.
            return Ok(response);
        }
        let answered_at = session_clock::now_utc();
        match self.conclude(&seen, &response).await {
            Ok(conclusions) => self.report(seen, conclusions, answered_at),
            Err(error) => tracing::warn!(%error, "the function has answered, but what it did cannot be looked up"),
        }
        Ok(response)
    }
}

impl Witness {
    fn read(&self, event: &SqsEvent) -> Result<Vec<Seen>, InvokeError> {
        let records = event.records.iter().cloned().enumerate();
        let read = records.map(|(index, message)| {
            let record = Record::read(index, message)?;
            let message = Message::from_json(&record.body).ok();
            let request = message
                .as_ref()
                .and_then(|message| validate(&message.event, self.engine.policy()).ok());
            Ok(Seen {
                record,
                message,
                request,
            })
        });
        read.collect()
    }

    async fn conclude(&self, seen: &[Seen], response: &SqsBatchResponse) -> Result<Vec<Conclusion>, ChainError> {
        let failures = response.batch_item_failures.iter();
        let failed: HashSet<&str> = failures.map(|failure| failure.item_identifier.as_str()).collect();
        let deadline = Instant::now() + PATIENCE;
        let conclusions = seen.iter().map(|seen| async {
            if failed.contains(seen.record.message_id.as_str()) {
                return Ok(self.failed());
            }
            match (&seen.message, &seen.request) {
                (Some(message), _) if !message.event.asks_for_account() => Ok(Conclusion::Skipped),
                (_, Some(request)) => self.standing(request, deadline).await,
                (_, None) => Ok(given_up()),
            }
        });
        try_join_all(conclusions).await
    }

    async fn standing(&self, request: &CreationRequest, deadline: Instant) -> Result<Conclusion, ChainError> {
        if self.engine.inspect(request, deadline).await? != Standing::Verified {
            return Ok(given_up());
        }
        let created = self.creation(request.pda, deadline).await?;
        Ok(Conclusion::Verified(created.unwrap_or(Outcome::AlreadyExisted)))
    }

    /// The first transaction that touched the address and did not fail.
    async fn creation(&self, pda: Pubkey, deadline: Instant) -> Result<Option<Outcome>, ChainError> {
        let commitment = self.pool.commitment();
        let ask = |client: Arc<RpcClient>| async move {
            let config = GetConfirmedSignaturesForAddress2Config {
                commitment: Some(commitment),
                ..GetConfirmedSignaturesForAddress2Config::default()
            };
            client.get_signatures_for_address_with_config(&pda, config).await
        };
        let newest_first = self.pool.call("getSignaturesForAddress", Some(deadline), ask).await?;
        let first = newest_first.into_iter().rev().find(|listed| listed.err.is_none());
        Ok(first.and_then(|listed| {
            Some(Outcome::Created {
                signature: listed.signature.parse().ok()?,
                slot: listed.slot,
            })
        }))
    }

    fn failed(&self) -> Conclusion {
        Conclusion::Retried {
            reason: reason(
                "reported_failed",
                "the function reported it as failed; its log says why",
            ),
            after: self.visibility_timeout,
        }
    }

    fn report(&self, seen: Vec<Seen>, conclusions: Vec<Conclusion>, concluded_at: OffsetDateTime) {
        for (Seen { record, message, .. }, conclusion) in seen.into_iter().zip(conclusions) {
            let report = RecordReport {
                message_id: record.message_id,
                attempt: record.attempt,
                trace: record.trace,
                message,
                conclusion,
                concluded_at,
            };
            report.record_metrics();
            self.observer.concluded(&report);
        }
    }
}

/// Whether the response names none but records that were sent.
fn names_only(seen: &[Seen], response: &SqsBatchResponse) -> bool {
    let sent: HashSet<&str> = seen.iter().map(|seen| seen.record.message_id.as_str()).collect();
    let mut named = response.batch_item_failures.iter();
    named.all(|failure| sent.contains(failure.item_identifier.as_str()))
}

fn given_up() -> Conclusion {
    Conclusion::DeadLettered(reason("given_up", "the function gave it up; its dead letter says why"))
}

fn reason(code: &'static str, sentence: &str) -> Reason {
    Reason {
        code,
        sentence: sentence.to_owned(),
        last_signature: None,
    }
}
