//! How many messages were given up, and what was said of the last one.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use create_accounts::{Conclusion, RecordReport};

/// The dead letters of this process.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    count: AtomicU64,
    last: Mutex<String>,
}

impl Letters {
    /// A record has ended.
    pub(crate) fn concluded(&self, report: &RecordReport) {
        let Conclusion::DeadLettered(reason) = &report.conclusion else {
            return;
        };
        let session = report.message.as_ref().map(|message| message.event.session_id.as_str());
        let text = format!(
            "session {:?}: {}: {}",
            session.unwrap_or("?"),
            reason.code,
            reason.sentence
        );
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = text;
        self.count.fetch_add(1, Ordering::Release);
    }

    /// How many there were, and the last one.
    pub(crate) fn told(&self) -> (u64, String) {
        let count = self.count.load(Ordering::Acquire);
        (count, self.last.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
