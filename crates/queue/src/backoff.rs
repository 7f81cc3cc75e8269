//! How long a message that failed stays invisible: longer with every attempt.

use std::time::Duration;

use crate::entry::VISIBILITY_TIMEOUT_MAX;

/// A visibility timeout that doubles with every attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisibilityBackoff {
    /// After the first attempt.
    pub initial: Duration,
    /// At most.
    pub max: Duration,
}

impl Default for VisibilityBackoff {
    /// 1 s, 2 s, 4 s, 8 s: four retries within a quarter of a minute, so that a short outage costs little and a long
    /// one ends in the dead-letter queue where somebody sees it.
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_mins(1),
        }
    }
}

impl VisibilityBackoff {
    /// The visibility timeout after an attempt, counted from 1.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.initial
            .saturating_mul(1 << doublings)
            .min(self.max)
            .min(VISIBILITY_TIMEOUT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_doubles_up_to_its_maximum() {
        let backoff = VisibilityBackoff {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(6),
        };
        let seconds: Vec<u64> = (0..=5).map(|attempt| backoff.after(attempt).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 6, 6]);
        assert_eq!(backoff.after(u32::MAX).as_secs(), 6);
    }

    #[test]
    fn sqs_never_refuses_the_timeout() {
        let backoff = VisibilityBackoff {
            initial: Duration::MAX,
            max: Duration::MAX,
        };
        assert_eq!(backoff.after(1), VISIBILITY_TIMEOUT_MAX);
    }
}
