//! Takes listed transactions in: fetches those that nobody has seen yet, several at a time, and keeps their order.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::{Stream, StreamExt, stream};
use metrics::counter;
use session_message::Origin;
use session_telemetry::names;

use crate::{
    checkpoint::claim::Claim,
    checkpoint::settles::Behalf,
    checkpoint::shared::Sight,
    checkpoint::watermark::{Mark, Vanished},
    decode::listed::Listed,
    decode::reading::{Found, Reading, Unreadable},
    decode::wire::ConfirmedTransaction,
    intake::transactions::{Intake, Taken, messages_of},
    patience::{Patience, Stall},
    quarantine::item::Finding,
    source::evidence::{self, Subject},
    source::examination::{Examination, examine},
    source::owing::Owing,
    source::rpc::{HistoryError, ProgramHistory},
    source::walk::{Delivery, Source, Walk},
};

/// Attempts before a transaction goes into quarantine: some 3 s, in which a node that is behind its own listing catches up.
const TRIES_BEFORE_QUARANTINE: u32 = 6;

/// Transactions that are asked for again after one statement; more are only a sign of a listing that is broken.
const LOOKS_MAX: usize = 64;

/// Everything that it takes to go from listed transactions to events.
pub(crate) struct Fetcher {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) fetch_concurrency: usize,
    pub(crate) origin: Origin,
    /// What the subscription should have brought; `None` where there is none.
    pub(crate) owing: Option<Arc<Owing>>,
    /// Listed transactions that nobody had delivered.
    pub(crate) found: AtomicU64,
}

/// What asking for a listed transaction has come to.
enum Fetched {
    /// Nobody had taken it in before.
    New(Claim, Reading),
    /// It failed on chain, or was taken in before.
    Known,
    /// It cannot be had whole for now, and why; these events of it are certain.
    Not(Claim, Vec<Found>, Finding),
}

/// It ended because the listener is stopping.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Fetcher {
    /// Begins a walk over everything after the mark, once the source has reached it.
    pub(crate) async fn begin<S: Source>(&self, source: &S, mark: Mark) -> Result<S::Walk, Stopped> {
        let begin = || source.after(mark);
        let walk = self.patience.insist("asking for the newest slot", begin).await;
        walk.ok_or(Stopped)
    }

    /// What the walk brings next.
    pub(crate) async fn next(&self, walk: &mut impl Walk) -> Result<Delivery, Stopped> {
        const WHAT: &str = "listing transactions";
        let mut stall = Stall::default();
        loop {
            match self.patience.wait(walk.next()).await.ok_or(Stopped)? {
                Ok(delivery) => {
                    stall.overcome(WHAT);
                    return Ok(delivery);
                }
                Err(error) => self.patience.bear(&mut stall, WHAT, &error).await.ok_or(Stopped)?,
            }
        }
    }

    /// Asks for transactions that were taken in, and that no listing shows in a slot that is complete. What a fork took away and
    /// put into a later slot is listed there, and then read again. Of what is gone the messages are out, and a fork that took the
    /// transaction may have taken what was created for it: its sessions are compared with account state.
    pub(crate) async fn look_again(&self, vanished: Vec<Vanished>) -> Result<(), Stopped> {
        for Vanished { signature, slot } in vanished.into_iter().take(LOOKS_MAX) {
            let found = self.history.transaction(signature);
            let (outcome, may_be_gone) = match self.patience.wait(found).await.ok_or(Stopped)? {
                Ok(transaction) if transaction.slot > slot => ("moved", false),
                Ok(_) => ("not_listed", false),
                Err(HistoryError::MissingTransaction { .. }) => ("gone", true),
                Err(_) => ("unknown", true),
            };
            counter!(names::LISTENER_UNLISTED_TRANSACTIONS_TOTAL, "outcome" => outcome).increment(1);
            let sessions = if may_be_gone {
                self.intake.queued_lately.forget(&signature)
            } else {
                0
            };
            if sessions > 0 {
                self.intake.comparison.notify_one();
            }
            tracing::warn!(%signature, slot, outcome, sessions, "a transaction was confirmed, and no listing shows it in its slot");
        }
        Ok(())
    }

    /// Takes listed transactions in, the oldest first. Those of slots up to `complete` count as listed. Answers how many
    /// messages they made.
    pub(crate) async fn take_segment(&self, segment: Vec<Listed>, complete: u64) -> Result<u64, Stopped> {
        let mut fetches = std::pin::pin!(self.fetches(segment));
        let mut messages = 0;
        while let Some(fetched) = fetches.next().await {
            let (listed, fetched) = fetched?;
            self.patience.beat();
            match fetched {
                Fetched::New(claim, reading) => {
                    messages += self.take(&claim, listed, reading.events).await?;
                    let settle = self.intake.settle(claim, listed.slot, &reading.undecodable);
                    self.patience.rest(settle).await.ok_or(Stopped)?;
                }
                Fetched::Not(claim, events, finding) => {
                    messages += self.take(&claim, listed, events).await?;
                    let park = self.intake.park(claim, listed.slot, finding);
                    self.patience.rest(park).await.ok_or(Stopped)?;
                }
                Fetched::Known => {}
            }
            if listed.slot <= complete {
                self.intake.watermark.with(|watermark| watermark.list(listed));
            }
        }
        Ok(messages)
    }

    /// Asks once for a transaction that is claimed already, and takes it in if it comes whole. `None` if it does not, or if it
    /// is too late: then it is given back.
    pub(crate) async fn take_claimed(&self, listed: Listed, claim: Claim) -> Option<()> {
        let reading = match self.read(listed).await {
            Ok(reading @ Reading { gap: None, .. }) => reading,
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(signature = %listed.signature, %error, "it cannot be had at once: it is left to the listing");
                return None;
            }
        };
        self.take(&claim, listed, reading.events).await.ok()?;
        self.intake.settle(claim, listed.slot, &reading.undecodable).await;
        Some(())
    }

    /// Reads listed transactions and does nothing with them but count the messages that they would make.
    pub(crate) async fn look_at(&self, segment: Vec<Listed>) -> Result<u64, Stopped> {
        let mut fetches = std::pin::pin!(self.fetches(segment));
        let mut messages = 0;
        while let Some(fetched) = fetches.next().await {
            let (_, fetched) = fetched?;
            if let Fetched::New(_, Reading { events, .. }) | Fetched::Not(_, events, _) = fetched {
                messages += u64::from(messages_of(&events));
            }
        }
        Ok(messages)
    }

    /// Takes in what was listed and then given back by whoever had claimed it.
    pub(crate) async fn take_owed(&self) -> Result<(), Stopped> {
        const ALREADY_LISTED: u64 = 0;
        let owed = self.intake.watermark.with(|watermark| watermark.owed());
        self.take_segment(owed, ALREADY_LISTED).await.map(drop)
    }

    /// What is new of a segment, some at once, in its order.
    fn fetches(&self, segment: Vec<Listed>) -> impl Stream<Item = Result<(Listed, Fetched), Stopped>> {
        let fetches = stream::iter(segment).map(|listed| self.fetch_new(listed));
        fetches.buffered(self.fetch_concurrency)
    }

    async fn fetch_new(&self, listed: Listed) -> Result<(Listed, Fetched), Stopped> {
        if listed.failed {
            return Ok((listed, Fetched::Known));
        }
        let (claim, seen_slot) = match self.intake.watermark.claim_listed(&listed) {
            Sight::New(claim) => {
                if let Some(owing) = &self.owing {
                    owing.listed(listed.signature, listed.slot);
                }
                (claim, None)
            }
            Sight::Moved(claim, seen_slot) => (claim, Some(seen_slot)),
            Sight::Known => return Ok((listed, Fetched::Known)),
        };
        self.found.fetch_add(1, Ordering::Relaxed);
        if let Some(seen_slot) = seen_slot {
            counter!(names::LISTENER_MOVED_TRANSACTIONS_TOTAL).increment(1);
            // Part of a chain's life, which nobody has to do anything about. A node that leads tells of what came too late for
            // its slot as well, and has it in the next one.
            tracing::info!(signature = %listed.signature, slot = listed.slot, seen_slot, "a fork has put a transaction into another slot: it is read again");
        }
        Ok((listed, self.fetch(listed, claim).await?))
    }

    /// Asks until the transaction comes, or it is this one alone that cannot be had.
    async fn fetch(&self, listed: Listed, claim: Claim) -> Result<Fetched, Stopped> {
        let what = format!("fetching transaction {}", listed.signature);
        let mut tries = 0;
        let ask = || {
            tries += 1;
            self.ask(listed, tries)
        };
        Ok(match self.patience.insist(&what, ask).await.ok_or(Stopped)? {
            Examination::Whole(reading) => Fetched::New(claim, reading),
            Examination::Not { certain, finding } => Fetched::Not(claim, certain, finding),
        })
    }

    /// Asks once more; after enough tries, every endpoint has its last word.
    async fn ask(&self, listed: Listed, tries: u32) -> Result<Examination, HistoryError> {
        let error = match self.read(listed).await {
            Ok(reading @ Reading { gap: None, .. }) => return Ok(Examination::Whole(reading)),
            Ok(Reading { gap: Some(reason), .. }) => unreadable(listed, reason),
            Err(error) => error,
        };
        // A node that answers nothing has to be waited for.
        if tries < TRIES_BEFORE_QUARANTINE || self.history.tip().await.is_err() {
            return Err(error);
        }
        Ok(examine(&self.history, &self.intake.reader, listed.signature, self.origin).await)
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
        if let Some(block_time) = transaction.block_time {
            self.intake.clock.told(transaction.slot, block_time);
        }
        let reader = &self.intake.reader;
        reader.read_transaction(&listed.signature, transaction, self.origin)
    }

    /// Takes the events of a transaction in; answers how many messages they make.
    async fn take(&self, claim: &Claim, listed: Listed, events: Vec<Found>) -> Result<u64, Stopped> {
        let messages = messages_of(&events);
        let room = self
            .intake
            .wait_for_room(messages, &self.patience)
            .await
            .ok_or(Stopped)?;
        counter!(names::LISTENER_TRANSACTIONS_TOTAL, "origin" => self.origin.name()).increment(1);
        let Listed { signature, slot, .. } = listed;
        self.intake
            .take(Behalf::Claim(claim), Taken { signature, slot }, events, room)
            .await;
        Ok(messages.into())
    }
}

fn unreadable(listed: Listed, reason: Unreadable) -> HistoryError {
    let signature = listed.signature;
    HistoryError::Unreadable { signature, reason }
}
