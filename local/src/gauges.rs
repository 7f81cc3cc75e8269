//! Keeps the metrics that are looked at rather than counted: uptime, and how full the queues are.

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge};
use session_admin::Stats;
use session_chain::RpcPool;
use session_queue::{Depth, Queue};
use session_telemetry::names;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::queues::Queues;

/// Often enough for any scraper, seldom enough for a queue that is billed by the request.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until stopped.
pub(crate) async fn keep(stats: Arc<Stats>, queues: Queues, pool: RpcPool, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        counter!(names::SERVICE_UPTIME_SECONDS).absolute(stats.uptime().as_secs());
        stats.spent(pool.credits().total(), pool.credits().per_hour());
        if let Some(depth) = depth(queues.source.as_ref()).await {
            gauge!(names::QUEUE_SIZE).set(as_gauge(depth.visible + depth.delayed));
            gauge!(names::QUEUE_IN_FLIGHT).set(as_gauge(depth.in_flight));
        }
        if let Some(depth) = depth(queues.dead_letters.as_ref()).await {
            gauge!(names::DEAD_LETTERS).set(as_gauge(depth.total()));
        }
    }
}

async fn depth(queue: &dyn Queue) -> Option<Depth> {
    match queue.depth().await {
        Ok(depth) => Some(depth),
        Err(error) => {
            tracing::warn!(queue = queue.name(), %error, "depth unknown; the gauges stay as they are");
            None
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a queue of over 2^52 messages is not counted to the message"
)]
fn as_gauge(count: u64) -> f64 {
    count as f64
}
