//! The time of day for a queue in memory: the system's, or tokio's for a test that turns it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Tells the time of day and when on tokio's clock a time of day comes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    tokio: Option<(SystemTime, Instant)>,
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
        }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match self.tokio {
            Some((start, since)) => start + since.elapsed(),
            None => SystemTime::now(),
        }
    }

    /// When a time of day comes; now, where it is past.
    pub(crate) fn instant(&self, at: SystemTime) -> Instant {
        Instant::now() + at.duration_since(self.now()).unwrap_or(Duration::ZERO)
    }
}
