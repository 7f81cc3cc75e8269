//! Tells each record's end, and passes it on.

use std::sync::Arc;

use create_accounts::{RecordObserver, RecordReport};

use super::{Historian, chapters};

pub(super) struct ToldObserver {
    next: Arc<dyn RecordObserver>,
    historian: Historian,
}

impl ToldObserver {
    pub(super) fn new(next: Arc<dyn RecordObserver>, historian: Historian) -> Self {
        Self { next, historian }
    }
}

impl RecordObserver for ToldObserver {
    fn concluded(&self, report: &RecordReport) {
        if let Some(chapter) = chapters::concluded(report) {
            self.historian.tell(chapter);
        }
        self.next.concluded(report);
    }
}
