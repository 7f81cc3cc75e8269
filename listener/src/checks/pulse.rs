//! When each operation on a queue last worked, and since when it fails.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What is done with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Messages are sent, at once or for later.
    Send,
    /// Messages are received.
    Receive,
    /// Messages that are done with are deleted.
    Delete,
    /// Messages that failed are hidden for a while.
    Hide,
}

/// The state of each operation.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<BTreeMap<Operation, Beat>>);

#[derive(Debug, Clone, Default)]
struct Beat {
    worked_at: Option<Instant>,
    failing: Option<Failing>,
}

#[derive(Debug, Clone)]
struct Failing {
    /// Since when nothing has worked.
    since: Instant,
    /// When it was tried last.
    last: Instant,
    /// What was said then.
    reason: String,
}

/// Whatever failed is tried again by then (`docs/contract.md`, "Attempts": after 15 minutes at most). What is not tried any more was
/// settled in another way, and does not fail.
const TRIED_AGAIN_WITHIN: Duration = Duration::from_mins(20);

impl Pulse {
    /// It worked.
    pub fn worked(&self, operation: Operation) {
        *self.beats().entry(operation).or_default() = Beat {
            worked_at: Some(Instant::now()),
            failing: None,
        };
    }

    /// It failed.
    pub fn failed(&self, operation: Operation, reason: &dyn fmt::Display) {
        let mut beats = self.beats();
        let beat = beats.entry(operation).or_default();
        let now = Instant::now();
        beat.failing = Some(Failing {
            since: beat.failing.as_ref().map_or(now, |failing| failing.since),
            last: now,
            reason: reason.to_string(),
        });
    }

    /// For how long it has done nothing but fail, and why.
    #[must_use]
    pub fn failing(&self, operation: Operation) -> Option<(Duration, String)> {
        let failing = self.beats().get(&operation)?.failing.clone()?;
        let lasts = failing.last.elapsed() < TRIED_AGAIN_WITHIN;
        lasts.then(|| (failing.since.elapsed(), failing.reason))
    }

    /// When it worked last.
    #[must_use]
    pub fn worked_at(&self, operation: Operation) -> Option<Instant> {
        self.beats().get(&operation)?.worked_at
    }

    /// A beat is never left half changed, so a poisoned lock is as good as any.
    fn beats(&self) -> MutexGuard<'_, BTreeMap<Operation, Beat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_from_its_beginning_until_it_works_again() {
        let pulse = Pulse::default();
        assert_eq!(pulse.failing(Operation::Send), None);
        pulse.failed(Operation::Send, &"denied");
        tokio::time::advance(Duration::from_secs(3)).await;
        pulse.failed(Operation::Send, &"throttled");
        let failing = pulse.failing(Operation::Send);
        assert_eq!(failing, Some((Duration::from_secs(3), String::from("throttled"))));
        assert_eq!(pulse.failing(Operation::Receive), None);
        pulse.worked(Operation::Send);
        assert_eq!(pulse.failing(Operation::Send), None);
        assert_eq!(pulse.worked_at(Operation::Send), Some(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_tries_any_more_does_not_fail() {
        let pulse = Pulse::default();
        pulse.failed(Operation::Send, &"denied");
        tokio::time::advance(TRIED_AGAIN_WITHIN).await;
        assert_eq!(pulse.failing(Operation::Send), None);
    }
}
