//! Takes listed transactions in: fetches those that nobody has seen yet, several at a time, and keeps their order.

use std::sync::Arc;

use futures::{StreamExt, stream};
use metrics::counter;
use session_message::Origin;
use session_telemetry::names;
use solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta;

use crate::{
    chain::{AddressPages, HistoryError, ProgramHistory},
    history::{Listed, Walk},
    intake::{Intake, messages_of},
    patience::{Patience, Stall},
    reading::Found,
    transaction,
};

/// Everything that it takes to go from listed transactions to events.
pub(crate) struct Feed {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) fetch_concurrency: usize,
    pub(crate) origin: Origin,
}

/// It ended because the listener is stopping.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Feed {
    /// The next listed transactions, oldest first; `None` at the tip.
    pub(crate) async fn next_segment(
        &self,
        walk: &mut Walk,
        pages: &AddressPages,
    ) -> Result<Option<Vec<Listed>>, Stopped> {
        const WHAT: &str = "listing transactions";
        let mut stall = Stall::default();
        loop {
            match self.patience.wait(walk.next_segment(pages)).await.ok_or(Stopped)? {
                Ok(segment) => {
                    self.patience.overcome(&mut stall, WHAT);
                    return Ok(segment);
                }
                Err(error) => {
                    self.patience
                        .bear(&mut stall, WHAT, &HistoryError::from(error))
                        .await
                        .ok_or(Stopped)?;
                }
            }
        }
    }

    /// Takes listed transactions in, the oldest first. Those of slots up to `complete` count as listed. Answers how many
    /// messages they made.
    pub(crate) async fn take_segment(&self, segment: Vec<Listed>, complete: u64) -> Result<u64, Stopped> {
        let fetches = stream::iter(segment)
            .map(|listed| self.fetch_new(listed))
            .buffered(self.fetch_concurrency);
        let mut fetches = std::pin::pin!(fetches);
        let mut messages = 0;
        while let Some(fetched) = fetches.next().await {
            let (listed, transaction) = fetched?;
            if let Some(transaction) = transaction {
                messages += self.take(listed, &transaction).await?;
            }
            if listed.slot <= complete {
                self.intake
                    .ledger
                    .with(|frontier| frontier.list(listed.signature, listed.slot));
            }
        }
        Ok(messages)
    }

    /// Reads listed transactions and does nothing with them but count the messages that they would make.
    pub(crate) async fn look_at(&self, segment: Vec<Listed>) -> Result<u64, Stopped> {
        let fetches = stream::iter(segment)
            .map(|listed| self.fetch_new(listed))
            .buffered(self.fetch_concurrency);
        let mut fetches = std::pin::pin!(fetches);
        let mut messages = 0;
        while let Some(fetched) = fetches.next().await {
            let (listed, transaction) = fetched?;
            let events = transaction
                .map(|transaction| self.events(&listed, &transaction))
                .unwrap_or_default();
            messages += u64::from(messages_of(&events));
            self.intake.ledger.with(|frontier| frontier.release(&listed.signature));
        }
        Ok(messages)
    }

    /// The transaction, if nobody has taken it in yet.
    async fn fetch_new(
        &self,
        listed: Listed,
    ) -> Result<(Listed, Option<EncodedConfirmedTransactionWithStatusMeta>), Stopped> {
        let new = !listed.failed
            && self
                .intake
                .ledger
                .with(|frontier| frontier.claim(listed.signature, listed.slot));
        if !new {
            return Ok((listed, None));
        }
        let what = format!("fetching transaction {}", listed.signature);
        let transaction = self
            .patience
            .insist(&what, || self.history.transaction(listed.signature))
            .await;
        transaction
            .map(|transaction| (listed, Some(transaction)))
            .ok_or(Stopped)
    }

    async fn take(
        &self,
        listed: Listed,
        transaction: &EncodedConfirmedTransactionWithStatusMeta,
    ) -> Result<u64, Stopped> {
        let events = self.events(&listed, transaction);
        let messages = messages_of(&events);
        let room = self
            .intake
            .wait_for_room(messages, &self.patience)
            .await
            .ok_or(Stopped)?;
        counter!(names::LISTENER_TRANSACTIONS_TOTAL, "origin" => self.origin.name()).increment(1);
        self.intake.take(listed.signature, listed.slot, events, room).await;
        Ok(messages.into())
    }

    fn events(&self, listed: &Listed, transaction: &EncodedConfirmedTransactionWithStatusMeta) -> Vec<Found> {
        if transaction::failed(transaction) {
            return Vec::new();
        }
        self.intake
            .reader
            .read_transaction(&listed.signature, transaction, self.origin)
    }
}
