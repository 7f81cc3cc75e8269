//! One line a minute that says how the listener is: what log-based metrics and alarms are made of (infra/README.md).

use std::time::Duration;

use session_listener::ListenerStatus;
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
