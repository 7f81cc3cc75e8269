//! How long a message whose attempt failed stays invisible: longer with every attempt.

use std::time::Duration;

use crate::entry::VISIBILITY_TIMEOUT_MAX;

/// The visibility timeouts after the attempts of a message, the last one for all further attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibilityBackoff {
    waits: Vec<Duration>,
}

impl Default for VisibilityBackoff {
    /// 1, 10, 120 and 900 s: what passes quickly costs little, and an outage of a quarter of an hour costs no message
    /// its last attempt.
    fn default() -> Self {
        Self::new([1, 10, 120, 900].map(Duration::from_secs).to_vec())
    }
}

impl VisibilityBackoff {
    /// The waits after the first attempt, the second, and so on.
    #[must_use]
    pub fn new(waits: Vec<Duration>) -> Self {
        Self { waits }
    }

    /// The visibility timeout after an attempt, counted from 1.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Duration {
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.waits.get(place).or(self.waits.last()).copied();
        wait.unwrap_or_default().min(VISIBILITY_TIMEOUT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_has_its_wait_and_the_last_one_goes_on() {
        let seconds = |backoff: &VisibilityBackoff| -> Vec<u64> {
            (0..=6).map(|attempt| backoff.after(attempt).as_secs()).collect()
        };
        assert_eq!(seconds(&VisibilityBackoff::default()), [1, 1, 10, 120, 900, 900, 900]);
        assert_eq!(seconds(&VisibilityBackoff::new(Vec::new())), [0; 7]);
        assert_eq!(VisibilityBackoff::default().after(u32::MAX).as_secs(), 900);
    }

    #[test]
    fn sqs_never_refuses_the_timeout() {
        let backoff = VisibilityBackoff::new(vec![Duration::MAX]);
        assert_eq!(backoff.after(1), VISIBILITY_TIMEOUT_MAX);
    }
}
