//! Which sessions were queued lately, so that a comparison with account state does not queue them again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use solana_pubkey::Pubkey;
use tokio::time::Instant;

/// Sessions that are remembered; one that is forgotten is queued once more at worst, which costs no rent.
const SESSIONS_MAX: usize = 4_096;

/// The sessions that were queued last.
#[derive(Debug, Default)]
pub(crate) struct Covered(Mutex<Sessions>);

#[derive(Debug, Default)]
struct Sessions {
    last_queued: HashMap<Pubkey, Instant>,
    order: VecDeque<(Pubkey, Instant)>,
}

impl Covered {
    /// The session is queued now.
    pub(crate) fn cover(&self, session: Pubkey) {
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.last_queued.insert(session, now);
        sessions.order.push_back((session, now));
        if sessions.order.len() > SESSIONS_MAX
            && let Some((oldest, queued)) = sessions.order.pop_front()
            && sessions.last_queued.get(&oldest) == Some(&queued)
        {
            sessions.last_queued.remove(&oldest);
        }
    }

    /// Whether the session was queued less than so long ago, as far as is remembered.
    pub(crate) fn is_covered(&self, session: &Pubkey, period: Duration) -> bool {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions
            .last_queued
            .get(session)
            .is_some_and(|queued| queued.elapsed() < period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_is_covered_for_a_while() {
        let covered = Covered::default();
        let session = Pubkey::new_from_array([1; 32]);
        let period = Duration::from_secs(10);
        assert!(!covered.is_covered(&session, period));
        covered.cover(session);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(covered.is_covered(&session, period));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!covered.is_covered(&session, period));
    }
}
