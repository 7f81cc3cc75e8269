//! What the listener says of itself once a minute: a line of the log for people, and, where a deployment has a name, one that
//! CloudWatch makes metrics of (infra/README.md).

use std::{
    io::{self, Write},
    time::Duration,
};

use session_listener::ListenerStatus;
use session_telemetry::cloudwatch::CloudWatch;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_mins(1);

/// Logs the line until stopped.
pub(crate) async fn log(status: watch::Receiver<ListenerStatus>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let status = status.borrow().clone();
        tracing::info!(
            connected = status.connected,
            lag_slots = status.lag_slots(),
            last_slot = status.last_slot,
            watermark_slot = status.watermark_slot,
            complete_slot = status.completeness.map(|known| known.slot),
            complete_because = status.completeness.map(|known| known.because),
            backpressure = status.backpressure,
            stalled = status.stalled,
            quarantine = status.quarantine.items,
            "listener status"
        );
    }
}

/// Tells CloudWatch until stopped.
pub(crate) async fn tell(cloudwatch: CloudWatch, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(line) = cloudwatch.line(session_clock::now()) else {
            continue;
        };
        // One write, so that no other line comes between.
        if let Err(error) = io::stdout().lock().write_all(line.as_bytes()) {
            tracing::warn!(%error, "a minute of metrics is lost: standard output took nothing");
        }
    }
}
