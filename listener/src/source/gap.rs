//! What the stream has brought, or should have, and the listing has to make up for: a listing is wanted before its time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::counter;
use session_telemetry::names;
use tokio::{sync::Notify, time::Instant};

/// A listing that begins so long after a transaction was heard of shows it: it is confirmed by then, and indexed.
const SHOWN_AFTER: Duration = Duration::from_secs(5);

/// Asks for listings. Whoever leaves something to them shares it with the poller.
#[derive(Debug, Default)]
pub(crate) struct Gap {
    wanted: Notify,
    /// When something was left to the listing last.
    left: Mutex<Option<Instant>>,
}

impl Gap {
    /// Asks for a listing.
    pub(crate) fn list(&self) {
        self.wanted.notify_one();
    }

    /// Leaves a transaction to the listing, and counts it.
    pub(crate) fn leave(&self, reason: &'static str) {
        counter!(names::LISTENER_NOTIFICATIONS_LEFT_TOTAL, "reason" => reason).increment(1);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.list();
    }

    /// Waits until a listing is wanted.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Whether a listing that began at this moment may have come too early for what was left.
    pub(crate) fn is_open(&self, began: Option<Instant>) -> bool {
        let left = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.is_some_and(|left| began.is_none_or(|began| began < left + SHOWN_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_open_until_a_listing_has_surely_shown_what_was_left() {
        let gap = Gap::default();
        gap.list();
        assert!(!gap.is_open(Some(Instant::now())), "nothing was left");
        gap.leave("too_far_ahead");
        assert!(gap.is_open(None) && gap.is_open(Some(Instant::now())));
        tokio::time::advance(SHOWN_AFTER).await;
        assert!(!gap.is_open(Some(Instant::now())));
        tokio::time::timeout(Duration::from_secs(1), gap.wanted())
            .await
            .unwrap();
    }
}
