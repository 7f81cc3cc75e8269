//! Counts every record's end for `/stats`, and passes it on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use create_accounts::{Conclusion, RecordObserver, RecordReport};
use session_admin::Stats;
use session_engine::Outcome;

use crate::{alerts::Letters, unserved::Unserved};

/// An observer that counts for another, and keeps the books of who waits and who was given up.
pub(crate) struct Tally {
    pub(crate) stats: Arc<Stats>,
    pub(crate) unserved: Unserved,
    pub(crate) letters: Arc<Letters>,
    pub(crate) next: Arc<dyn RecordObserver>,
}

impl RecordObserver for Tally {
    fn concluded(&self, report: &RecordReport) {
        let add = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match &report.conclusion {
            Conclusion::Verified(Outcome::Created { .. }) => add(&self.stats.accounts_created),
            Conclusion::Verified(Outcome::AlreadyExisted) => add(&self.stats.accounts_existing),
            // What waits has neither failed nor an end.
            Conclusion::Skipped | Conclusion::Closed(_) | Conclusion::Deferred { .. } => {}
            Conclusion::DeadLettered(_) => add(&self.stats.accounts_failed),
            Conclusion::Retried { .. } => add(&self.stats.attempts_failed),
        }
        self.unserved.concluded(report);
        self.letters.concluded(report);
        // Whoever watches cannot change what has happened, not even by a defect of his own.
        if catch_unwind(AssertUnwindSafe(|| self.next.concluded(report))).is_err() {
            tracing::error!("whoever watches the records panicked; nothing else is the matter");
        }
    }
}
