//! The poller: has the source walked again and again, takes in what nobody has seen, and lets the source's statements alone
//! move the watermark.
//!
//! A walk begins where the last statement ended, so the fill after a start or a broken connection is the same thing as the
//! regular comparison, only longer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use metrics::{counter, gauge};
use session_telemetry::names;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    source::{
        fetcher::{Fetcher, Stopped},
        gap::Gap,
        rhythm::Rhythm,
        statement::Statement,
        walk::{Delivery, Source},
    },
    status::ListenerStatus,
};

/// Requests for a listing are answered together if they come faster than this.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// What a listing costs most by.
const LISTING: &str = "getSignaturesForAddress";

/// The one task that lists.
pub(crate) struct Poller<S> {
    pub(crate) source: S,
    pub(crate) feed: Fetcher,
    /// Between two listings, or two looks whether one is due.
    pub(crate) interval: Duration,
    pub(crate) rhythm: Rhythm,
    /// When the last listing began.
    pub(crate) began: Option<Instant>,
    pub(crate) status: watch::Receiver<ListenerStatus>,
    /// A listing is wanted before the interval is over.
    pub(crate) gap: Arc<Gap>,
    /// How long the first listing waits for the subscription, so that nothing falls between the two.
    pub(crate) subscription_grace: Duration,
}

impl<S: Source> Poller<S> {
    /// Polls once per interval, or more rarely while the stream is complete, until told to stop.
    pub(crate) async fn run(mut self) {
        let patience = self.feed.patience.clone();
        let mut wait_max = self.subscription_grace;
        while let Some(asked) = patience.rest(timeout(wait_max, self.gap.wanted())).await {
            let polled = if asked.is_ok() || self.is_due() {
                self.poll().await
            } else {
                // What was given back meanwhile is listed already.
                self.feed.take_owed().await
            };
            if polled.is_err() {
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

    fn is_due(&self) -> bool {
        let credits = self.feed.history.pool.credits();
        let until_room = credits.until_room(credits.price(LISTING));
        let unlisted = self.feed.intake.watermark.with(|watermark| watermark.unlisted());
        self.gap.is_open(self.began) || self.rhythm.is_due(&self.status.borrow(), unlisted, until_room)
    }

    /// Has the source walked, and notes what the stream owed.
    async fn poll(&mut self) -> Result<(), Stopped> {
        self.began = Some(Instant::now());
        let before = self.feed.found.load(Ordering::Relaxed);
        self.walk().await?;
        let owed = self.feed.found.load(Ordering::Relaxed) - before;
        let status = self.status.borrow().clone();
        let was_complete = self.rhythm.is_proven(&status);
        self.rhythm.listed(&status, owed);
        let complete = self.rhythm.is_proven(&status);
        if was_complete != complete {
            tracing::info!(complete, owed, "what listings show of the stream");
        }
        gauge!(names::LISTENER_STREAM_COMPLETE).set(if complete { 1.0 } else { 0.0 });
        Ok(())
    }

    /// Takes in everything between the last statement and the tip.
    async fn walk(&self) -> Result<(), Stopped> {
        self.feed.take_owed().await?;
        let mark = self.feed.intake.watermark.with(|watermark| watermark.listed());
        let mut walk = self.feed.begin(&self.source, mark).await?;
        loop {
            match self.feed.next(&mut walk).await? {
                Delivery::Nothing => {}
                Delivery::Transactions { listed, complete } => {
                    let last = listed.last().map_or(0, |last| last.slot);
                    self.feed.take_segment(listed, complete).await?;
                    // A long fill gets ahead long before its end.
                    let intake = &self.feed.intake;
                    let complete = intake.watermark.with(|watermark| watermark.listed()).slot;
                    intake.status.complete_up_to(complete.min(last), "finality");
                }
                Delivery::End(statement) => return self.believe(&statement).await,
            }
        }
    }

    /// Moves the watermark, and looks again at what the statement covers and nobody has listed.
    async fn believe(&self, statement: &Statement) -> Result<(), Stopped> {
        tracing::debug!(%statement, "listed");
        counter!(names::LISTENER_STATEMENTS_TOTAL, "because" => statement.because.code()).increment(1);
        let intake = &self.feed.intake;
        let (complete, vanished) = intake.watermark.with(|watermark| {
            watermark.complete_up_to(statement.up_to);
            (watermark.listed().slot, watermark.take_vanished())
        });
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are floating point, and slots stay below 2^53"
        )]
        gauge!(names::LISTENER_COMPLETE_SLOT).set(complete as f64);
        intake.status.complete_up_to(complete, statement.because.code());
        if let Some(owing) = &self.feed.owing {
            owing.settle();
        }
        self.feed.look_again(vanished).await
    }
}
