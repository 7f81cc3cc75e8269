//! Takes listed transactions in: fetches those that nobody has seen yet, several at a time, and keeps their order.

use std::sync::Arc;

use futures::{StreamExt, stream};
use metrics::counter;
use session_message::Origin;
use session_telemetry::names;

use crate::{
    decode::listed::Listed,
    decode::reading::{Found, Reading, Unreadable},
    decode::wire::ConfirmedTransaction,
    intake::transactions::{Intake, messages_of},
    patience::{Patience, Stall},
    quarantine::parking::Parking,
    source::evidence::{self, Subject},
    source::pager::Pager,
    source::rpc::{AddressPages, HistoryError, ProgramHistory},
};

/// Attempts before a transaction is parked: some 3 s, in which a node that is behind its own listing catches up.
const TRIES_BEFORE_PARKING: u32 = 6;

/// Everything that it takes to go from listed transactions to events.
pub(crate) struct Fetcher {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) fetch_concurrency: usize,
    pub(crate) origin: Origin,
    /// Where a transaction goes that cannot be had; without it, the listing waits for every one.
    pub(crate) parking: Option<Parking>,
}

/// What asking for a listed transaction has come to.
enum Fetched {
    /// Nobody had taken it in before.
    New(Vec<Found>),
    /// It failed on chain, or was taken in before.
    Known,
    /// It cannot be had whole for now; these events of it are certain.
    Parked(Vec<Found>),
}

/// It ended because the listener is stopping.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Fetcher {
    /// The next listed transactions, oldest first; `None` at the tip.
    pub(crate) async fn next_segment(
        &self,
        pager: &mut Pager,
        pages: &AddressPages,
    ) -> Result<Option<Vec<Listed>>, Stopped> {
        const WHAT: &str = "listing transactions";
        let mut stall = Stall::default();
        loop {
            match self.patience.wait(pager.next_segment(pages)).await.ok_or(Stopped)? {
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
            let (listed, fetched) = fetched?;
            match fetched {
                Fetched::New(events) => {
                    messages += self.take(listed, events).await?;
                    self.intake.settle(&listed.signature);
                }
                Fetched::Parked(events) => messages += self.take(listed, events).await?,
                Fetched::Known => {}
            }
            if listed.slot <= complete {
                self.intake
                    .watermark
                    .with(|watermark| watermark.list(listed.signature, listed.slot));
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
            let (listed, fetched) = fetched?;
            if let Fetched::New(events) | Fetched::Parked(events) = fetched {
                messages += u64::from(messages_of(&events));
            }
            self.intake
                .watermark
                .with(|watermark| watermark.release(&listed.signature));
        }
        Ok(messages)
    }

    /// Asks once more for everything that is parked, and takes in what comes.
    pub(crate) async fn ask_again(&self) -> Result<(), Stopped> {
        let Some(parking) = &self.parking else { return Ok(()) };
        let ask = |listed: Listed| async move { (listed, self.read_whole(listed).await) };
        let asked = stream::iter(parking.parked()).map(ask).buffered(self.fetch_concurrency);
        let mut asked = std::pin::pin!(asked);
        while let Some((listed, asked)) = self.patience.wait(asked.next()).await.ok_or(Stopped)? {
            match asked {
                Ok(events) => {
                    self.take(listed, events).await?;
                    self.intake.settle(&listed.signature);
                    parking.release(&listed.signature);
                }
                Err(error) => tracing::debug!(signature = %listed.signature, %error, "it still cannot be had"),
            }
        }
        Ok(())
    }

    async fn fetch_new(&self, listed: Listed) -> Result<(Listed, Fetched), Stopped> {
        let claim = || {
            self.intake
                .watermark
                .with(|watermark| watermark.claim(listed.signature, listed.slot))
        };
        if listed.failed || !claim() {
            return Ok((listed, Fetched::Known));
        }
        Ok((listed, self.fetch(listed).await?))
    }

    /// Asks until the transaction comes, or is parked.
    async fn fetch(&self, listed: Listed) -> Result<Fetched, Stopped> {
        let what = format!("fetching transaction {}", listed.signature);
        let mut tries = 0;
        let ask = || {
            tries += 1;
            self.ask(listed, tries)
        };
        self.patience.insist(&what, ask).await.ok_or(Stopped)
    }

    /// Asks once more; what has not come after enough tries is parked.
    async fn ask(&self, listed: Listed, tries: u32) -> Result<Fetched, HistoryError> {
        let (events, error) = match self.read(listed).await {
            Ok(Reading { events, gap: None }) => return Ok(Fetched::New(events)),
            Ok(Reading {
                events,
                gap: Some(reason),
            }) => (events, unreadable(listed, reason)),
            Err(error) => (Vec::new(), error),
        };
        if tries >= TRIES_BEFORE_PARKING && self.park(listed, &error).await {
            return Ok(Fetched::Parked(events));
        }
        Err(error)
    }

    async fn read_whole(&self, listed: Listed) -> Result<Vec<Found>, HistoryError> {
        let Reading { events, gap } = self.read(listed).await?;
        match gap {
            None => Ok(events),
            Some(reason) => Err(unreadable(listed, reason)),
        }
    }

    /// Reads a transaction, from whichever endpoint has it whole.
    async fn read(&self, listed: Listed) -> Result<Reading, HistoryError> {
        let first = self.history.transaction(listed.signature).await;
        let first = first.map(|transaction| self.reading(&listed, &transaction));
        if matches!(first, Ok(Reading { gap: None, .. })) {
            return first;
        }
        for (endpoint, transaction) in self.history.transaction_anywhere(listed.signature).await {
            let reading = self.reading(&listed, &transaction);
            match &reading.gap {
                None => return Ok(reading),
                Some(gap) => evidence::disagrees(&endpoint, Subject::Transaction, &gap.to_string()),
            }
        }
        first
    }

    fn reading(&self, listed: &Listed, transaction: &ConfirmedTransaction) -> Reading {
        let reader = &self.intake.reader;
        reader.read_transaction(&listed.signature, transaction, self.origin)
    }

    /// Parks a transaction if it is this one alone that cannot be had: a node that answers nothing has to be waited for.
    async fn park(&self, listed: Listed, error: &HistoryError) -> bool {
        let Some(parking) = &self.parking else { return false };
        self.history.tip().await.is_ok() && parking.park(listed, error)
    }

    /// Takes the events of a transaction in; answers how many messages they make.
    async fn take(&self, listed: Listed, events: Vec<Found>) -> Result<u64, Stopped> {
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
}

fn unreadable(listed: Listed, reason: Unreadable) -> HistoryError {
    let signature = listed.signature;
    HistoryError::Unreadable { signature, reason }
}
