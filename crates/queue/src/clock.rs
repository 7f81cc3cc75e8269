//! The time of day for queues and whoever handles their messages: the system's, or tokio's, or either of them as a test turns
//! it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// Tells the time of day and when on tokio's clock a time of day comes. Its copies tell the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    tokio: Option<(SystemTime, Instant)>,
    /// How far it was turned, in milliseconds.
    turned_ms: Arc<AtomicU64>,
}

impl Clock {
    /// The system's time.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A time that begins with `start` now and goes on as tokio's clock does, paused or not.
    #[must_use]
    pub fn on_tokio(start: SystemTime) -> Self {
        Self {
            tokio: Some((start, Instant::now())),
            ..Self::default()
        }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let turned = Duration::from_millis(self.turned_ms.load(Ordering::Relaxed));
        let now = match self.tokio {
            Some((start, since)) => start + since.elapsed(),
            None => session_clock::now(),
        };
        now + turned
    }

    /// Turns it forward, and all copies of it. Whoever waits for a moment already looks again when his wait is over.
    pub fn turn(&self, by: Duration) {
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.turned_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// When a time of day comes; now, where it is past.
    pub(crate) fn instant(&self, at: SystemTime) -> Instant {
        Instant::now() + at.duration_since(self.now()).unwrap_or(Duration::ZERO)
    }
}
