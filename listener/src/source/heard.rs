//! The newest slot that the stream tells: it costs nothing to ask.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A slot that was heard longer ago is asked for: mainnet makes one every 400 ms.
const FRESH: Duration = Duration::from_secs(2);
/// A slot begins so many slots before it is confirmed, where nothing is wrong. A node that needs more is asked again.
const UNCONFIRMED_SLOTS: u64 = 4;

/// The slot that was heard last.
#[derive(Debug, Default)]
pub(crate) struct HeardSlot(Mutex<Option<(u64, Instant)>>);

impl HeardSlot {
    /// A slot has begun.
    pub(crate) fn heard(&self, slot: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((slot, Instant::now()));
    }

    /// The newest slot that should be confirmed by now, as long as slots are heard.
    pub(crate) fn confirmed(&self) -> Option<u64> {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (slot, at) = heard?;
        (at.elapsed() < FRESH).then(|| slot.saturating_sub(UNCONFIRMED_SLOTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_news_for_a_moment() {
        let heard = HeardSlot::default();
        assert_eq!(heard.confirmed(), None);
        heard.heard(100);
        assert_eq!(heard.confirmed(), Some(96));
        tokio::time::advance(FRESH).await;
        assert_eq!(heard.confirmed(), None, "whoever says nothing any more is not believed");
        heard.heard(90);
        assert_eq!(heard.confirmed(), Some(86), "another node may be behind");
    }
}
