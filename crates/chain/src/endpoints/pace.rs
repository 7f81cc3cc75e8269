//! How fast one endpoint answers, and how long it is therefore waited for before another one is asked as well. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Answers that are remembered.
const KEPT: usize = 64;
/// Fewer say nothing about one in twenty.
const SAMPLES_MIN: usize = 20;
/// Until then, this.
const UNKNOWN: Duration = Duration::from_millis(800);
/// An endpoint in the next room is not given up after its every hiccup.
const SHORTEST: Duration = Duration::from_millis(100);

/// The times of the latest answers.
#[derive(Debug, Default)]
pub(super) struct Pace {
    latest: VecDeque<Duration>,
}

impl Pace {
    /// An answer took so long.
    pub(super) fn took(&mut self, time: Duration) {
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(time);
    }

    /// Nineteen of twenty answers come within this; never more than half of what a request may take.
    pub(super) fn patience(&self, request_timeout: Duration) -> Duration {
        let longest = request_timeout / 2;
        if self.latest.len() < SAMPLES_MIN {
            return UNKNOWN.min(longest);
        }
        let mut sorted: Vec<Duration> = self.latest.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
        let p95 = sorted.get(rank).copied().unwrap_or(UNKNOWN);
        p95.max(SHORTEST).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn nineteen_of_twenty_are_waited_for() {
        let mut pace = Pace::default();
        assert_eq!(pace.patience(TIMEOUT), UNKNOWN);
        for ms in 1..=19 {
            pace.took(Duration::from_millis(ms * 20));
        }
        assert_eq!(pace.patience(TIMEOUT), UNKNOWN);
        pace.took(Duration::from_secs(4));
        assert_eq!(pace.patience(TIMEOUT), Duration::from_millis(380));
        assert_eq!(pace.patience(Duration::from_millis(500)), Duration::from_millis(250));
    }

    #[test]
    fn a_fast_endpoint_is_not_left_for_a_hiccup() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.took(Duration::from_millis(1));
        }
        assert_eq!(pace.patience(TIMEOUT), SHORTEST);
    }
}
