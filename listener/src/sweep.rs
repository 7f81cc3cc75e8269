//! The listing: compares the chain's own history with what was seen, takes in what was not, and moves the frontier.
//!
//! A sweep begins where the last one ended, so the fill after a start or a broken connection is the same thing as the
//! regular comparison, only longer.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use metrics::counter;
use session_message::Origin;
use solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta;
use tokio::{sync::Notify, time::timeout};

use session_telemetry::names;
use crate::{
    chain::{AddressPages, HistoryError, ProgramHistory},
    frontier::Mark,
    history::{Listed, Walk},
    intake::Intake,
    patience::{Patience, Stall},
    transaction,
};

/// Requests for a listing are answered together if they come faster than this.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The one task that lists.
pub(crate) struct Sweeper {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) interval: Duration,
    pub(crate) margin_slots: u64,
    pub(crate) fetch_concurrency: usize,
    /// A listing is wanted before the interval is over.
    pub(crate) gap: Arc<Notify>,
    /// How long the first listing waits for the subscription, so that nothing falls between the two.
    pub(crate) subscription_grace: Duration,
}

/// A sweep ended because the listener is stopping.
#[derive(Debug)]
struct Stopped;

impl Sweeper {
    /// Sweeps at least once per interval until told to stop.
    pub(crate) async fn run(self) {
        let mut wait_max = self.subscription_grace;
        while self
            .patience
            .wait(timeout(wait_max, self.gap.notified()))
            .await
            .is_some()
        {
            if self.sweep().await.is_err() {
                return;
            }
            wait_max = self.interval;
            if self
                .patience
                .wait(tokio::time::sleep(PAUSE_MIN.min(self.interval)))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Takes in everything between the last listing and the tip.
    async fn sweep(&self) -> Result<(), Stopped> {
        let listed = self.intake.ledger.with(|frontier| frontier.listed());
        let tip = self.tip(listed).await?;
        let complete = tip.saturating_sub(self.margin_slots);
        let pages = self.history.pages_of(self.history.program_id, tip);
        let mut walk = Walk::after(listed);
        loop {
            let Some(segment) = self.next_segment(&mut walk, &pages).await? else {
                break;
            };
            self.take_segment(segment, tip, complete).await?;
        }
        self.intake.ledger.with(|frontier| frontier.cover(complete));
        Ok(())
    }

    async fn next_segment(&self, walk: &mut Walk, pages: &AddressPages) -> Result<Option<Vec<Listed>>, Stopped> {
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

    /// The newest slot, of a node that has at least reached the last listing (pitfall 8).
    async fn tip(&self, listed: Mark) -> Result<u64, Stopped> {
        let ask = || async {
            let tip = self.history.tip().await?;
            if tip < listed.slot {
                return Err(HistoryError::BehindCursor {
                    tip,
                    cursor: listed.slot,
                });
            }
            Ok(tip)
        };
        self.patience
            .insist("asking for the newest slot", ask)
            .await
            .ok_or(Stopped)
    }

    /// Takes in listed transactions, the oldest first. What is newer than the margin is taken in and not counted as listed.
    async fn take_segment(&self, segment: Vec<Listed>, tip: u64, complete: u64) -> Result<(), Stopped> {
        let visible = segment.into_iter().filter(|listed| listed.slot <= tip);
        let mut fetched = std::pin::pin!(
            stream::iter(visible)
                .map(|listed| self.fetch_new(listed))
                .buffered(self.fetch_concurrency)
        );
        while let Some(fetched) = fetched.next().await {
            let (listed, transaction) = fetched?;
            if let Some(transaction) = transaction {
                self.take(listed, &transaction).await?;
            }
            if listed.slot <= complete {
                self.intake
                    .ledger
                    .with(|frontier| frontier.list(listed.signature, listed.slot));
            }
        }
        Ok(())
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
    ) -> Result<(), Stopped> {
        let events = if transaction::failed(transaction) {
            Vec::new()
        } else {
            self.intake
                .reader
                .read_transaction(&listed.signature, transaction, Origin::Fill)
        };
        let room = self
            .intake
            .wait_for_room(&events, &self.patience)
            .await
            .ok_or(Stopped)?;
        counter!(names::LISTENER_TRANSACTIONS_TOTAL, "origin" => Origin::Fill.name()).increment(1);
        self.intake.take(listed.signature, listed.slot, events, room).await;
        Ok(())
    }
}
