//! The listing: compares the chain's own history with what was seen, takes in what was not, and moves the watermark.
//!
//! A poll begins where the last one ended, so the fill after a start or a broken connection is the same thing as the
//! regular comparison, only longer.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

use crate::{
    checkpoint::watermark::Mark,
    decode::listed::Listed,
    source::evidence::Statement,
    source::fetcher::{Fetcher, Stopped},
    source::pager::Pager,
    source::rpc::HistoryError,
};

/// Requests for a listing are answered together if they come faster than this.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The one task that lists.
pub(crate) struct Poller {
    pub(crate) feed: Fetcher,
    pub(crate) interval: Duration,
    pub(crate) margin_slots: u64,
    /// A listing is wanted before the interval is over.
    pub(crate) gap: Arc<Notify>,
    /// How long the first listing waits for the subscription, so that nothing falls between the two.
    pub(crate) subscription_grace: Duration,
}

impl Poller {
    /// Polls at least once per interval until told to stop.
    pub(crate) async fn run(self) {
        let patience = &self.feed.patience;
        let mut wait_max = self.subscription_grace;
        while patience.wait(timeout(wait_max, self.gap.notified())).await.is_some() {
            if self.poll().await.is_err() {
                return;
            }
            wait_max = self.interval;
            if patience
                .wait(tokio::time::sleep(PAUSE_MIN.min(self.interval)))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Takes in everything between the last listing and the tip.
    async fn poll(&self) -> Result<(), Stopped> {
        self.feed.take_owed().await?;
        let watermark = &self.feed.intake.watermark;
        let listed = watermark.with(|watermark| watermark.listed());
        let tip = self.tip(listed).await?;
        let pages = self.feed.history.pages_of(self.feed.history.program_id, tip);
        let mut pager = Pager::after(listed);
        while let Some(segment) = self.feed.next_segment(&mut pager, &pages).await? {
            // What nothing is stated about yet is taken in, and listed by a later poll.
            let statement = Statement::of_listing(pager.finalized(), tip, self.margin_slots);
            let visible: Vec<Listed> = segment.into_iter().filter(|listed| listed.slot <= tip).collect();
            self.feed.take_segment(visible, statement.up_to).await?;
        }
        let statement = Statement::of_listing(pager.finalized(), tip, self.margin_slots);
        tracing::debug!(%statement, "listed");
        // Where the walk has come to the beginning of history there is nothing before it.
        let complete = statement.up_to.max(pager.first_available().saturating_sub(1));
        watermark.with(|watermark| watermark.complete_up_to(complete));
        Ok(())
    }

    /// The newest slot, of a node that has at least reached the last listing.
    async fn tip(&self, listed: Mark) -> Result<u64, Stopped> {
        let ask = || async {
            let tip = self.feed.history.tip().await?;
            if tip < listed.slot {
                return Err(HistoryError::BehindCursor {
                    tip,
                    cursor: listed.slot,
                });
            }
            Ok(tip)
        };
        self.feed
            .patience
            .insist("asking for the newest slot", ask)
            .await
            .ok_or(Stopped)
    }
}
