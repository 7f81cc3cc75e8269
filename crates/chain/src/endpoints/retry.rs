//! How often one RPC operation is tried, and how long to wait in between.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Exponential backoff of one RPC operation (`docs/contract.md`, "Attempts"): the delay doubles, and is jittered so that many
/// callers don't come back at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Rounds over the endpoints before the operation's last error is the answer.
    pub max_tries: u32,
    /// Pause before the second try.
    pub initial_delay: Duration,
    /// No pause is longer than this, whatever the factor and jitter make of it.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_tries: 5,
            initial_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// One try and no more.
    #[must_use]
    pub fn once() -> Self {
        Self {
            max_tries: 1,
            ..Self::default()
        }
    }

    /// The pauses between tries: one fewer than there are tries.
    pub(crate) fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let max_delay = self.max_delay;
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.initial_delay)
            .with_max_delay(max_delay)
            .with_max_times(self.max_tries.saturating_sub(1) as usize)
            .with_jitter()
            .with_jitter_seed(session_clock::random())
            .build()
            .map(move |delay| delay.min(max_delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_pauses_for_five_tries_each_within_its_jitter() {
        let delays: Vec<_> = RetryPolicy::default().delays().collect();
        assert_eq!(delays.len(), 4);
        for (delay, lowest_ms) in delays.iter().zip([100, 200, 400, 800]) {
            let lowest = Duration::from_millis(lowest_ms);
            assert!(*delay >= lowest && *delay <= lowest * 2, "{delay:?} for {lowest:?}");
        }
    }

    #[test]
    fn jitter_does_not_lift_a_pause_over_the_limit() {
        let policy = RetryPolicy {
            max_tries: 20,
            max_delay: Duration::from_secs(1),
            ..RetryPolicy::default()
        };
        assert!(policy.delays().all(|delay| delay <= Duration::from_secs(1)));
    }
}
