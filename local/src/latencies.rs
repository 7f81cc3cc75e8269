//! The latencies of a run, for its summary: as times, and as slots of the chain.

use std::collections::VecDeque;

/// Enough for a percentile of any run that somebody watches; a service that runs for ever keeps the last so many, in a quarter
/// of a megabyte.
const KEPT_MAX: usize = 10_000;

/// The latest latencies.
#[derive(Debug, Default)]
pub(crate) struct Latencies<T>(VecDeque<T>);

/// What they say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatencySummary<T> {
    /// Half were as fast.
    pub p50: T,
    /// 99 of 100 were as fast.
    pub p99: T,
    /// The slowest.
    pub max: T,
}

impl<T: Copy + Default + Ord> Latencies<T> {
    pub(crate) fn add(&mut self, latency: T) {
        if self.0.len() == KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(latency);
    }

    pub(crate) fn summary(&self) -> LatencySummary<T> {
        let mut sorted: Vec<T> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        // Nearest rank: the smallest latency that so many in a hundred do not exceed.
        let rank = |percent: usize| {
            let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(index).copied().unwrap_or_default()
        };
        LatencySummary {
            p50: rank(50),
            p99: rank(99),
            max: rank(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.summary(), LatencySummary::default());
        for ms in (1..=200).rev() {
            latencies.add(Duration::from_millis(ms));
        }
        let expected = LatencySummary {
            p50: Duration::from_millis(100),
            p99: Duration::from_millis(198),
            max: Duration::from_millis(200),
        };
        assert_eq!(latencies.summary(), expected);
    }
}
