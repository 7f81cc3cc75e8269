//! Saves the watermark whenever it has moved.

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge};
use session_admin::Pulse;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::{error::WatermarkError, saved::SavedWatermark, shared::SharedWatermark, watermark::Mark},
    status::StatusBoard,
};
use session_telemetry::names;

/// How long a save may take. What it would have saved is saved by the next one.
const SAVE_LIMIT: Duration = Duration::from_secs(20);

/// The one task that saves.
pub(crate) struct Saver {
    pub(crate) place: SavedWatermark,
    /// What is saved there already.
    pub(crate) saved: Mark,
    pub(crate) watermark: Arc<SharedWatermark>,
    pub(crate) status: Arc<StatusBoard>,
    pub(crate) interval: Duration,
    /// Shows that it makes progress.
    pub(crate) pulse: Pulse,
}

impl Saver {
    /// Runs until everything that will be settled is settled, and saves a last time.
    pub(crate) async fn run(mut self, settled: CancellationToken) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self
            .pulse
            .rest(settled.run_until_cancelled(ticks.tick()))
            .await
            .is_some()
        {
            self.save().await;
        }
        self.save().await;
    }

    async fn save(&mut self) {
        let mark = self.watermark.with(|watermark| watermark.mark());
        if mark == self.saved {
            return;
        }
        // A store that does not answer has to be told of, not waited for.
        let saved = timeout(SAVE_LIMIT, self.place.advance(mark)).await;
        match saved.unwrap_or(Err(WatermarkError::Silent { limit: SAVE_LIMIT })) {
            Ok(saved) => {
                self.saved = mark;
                self.status.watermark(saved.slot);
                self.status.watermark_error(None);
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "gauges are floating point, and slots stay below 2^53"
                )]
                gauge!(names::LISTENER_CURSOR_SLOT).set(saved.slot as f64);
            }
            Err(error) => {
                counter!(names::LISTENER_CURSOR_SAVE_FAILURES_TOTAL).increment(1);
                tracing::error!(%error, slot = mark.slot, "the watermark is not saved; a restart would repeat events");
                self.status.watermark_error(Some(error.to_string()));
            }
        }
    }
}
