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
/// A period doubles so often at most: from an hour to more than two days.
const DOUBLINGS_MAX: u32 = 6;

/// The sessions that were queued last.
#[derive(Debug, Default)]
pub(crate) struct QueuedLately(Mutex<Sessions>);

#[derive(Debug, Default)]
struct Sessions {
    queued: HashMap<Pubkey, Queued>,
    order: VecDeque<(Pubkey, Instant)>,
}

#[derive(Debug)]
struct Queued {
    last: Instant,
    times: u32,
}

impl QueuedLately {
    /// The session is queued now.
    pub(crate) fn queued_now(&self, session: Pubkey) {
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = sessions.queued.entry(session).or_insert(Queued { last: now, times: 0 });
        queued.last = now;
        queued.times = queued.times.saturating_add(1);
        sessions.order.push_back((session, now));
        if sessions.order.len() > SESSIONS_MAX
            && let Some((oldest, at)) = sessions.order.pop_front()
            && sessions.queued.get(&oldest).is_some_and(|queued| queued.last == at)
        {
            sessions.queued.remove(&oldest);
        }
    }

    /// Whether the session was queued less than so long ago, as far as is remembered. The period doubles with every
    /// time that it was queued: what was given up again and again must not fill the dead-letter queue.
    pub(crate) fn was_queued(&self, session: &Pubkey, period: Duration) -> bool {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.queued.get(session).is_some_and(|queued| {
            let doublings = queued.times.saturating_sub(1).min(DOUBLINGS_MAX);
            queued.last.elapsed() < period * 2_u32.pow(doublings)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_was_queued_for_a_while() {
        let queued_lately = QueuedLately::default();
        let session = Pubkey::new_from_array([1; 32]);
        let period = Duration::from_secs(10);
        assert!(!queued_lately.was_queued(&session, period));
        queued_lately.queued_now(session);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(queued_lately.was_queued(&session, period));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!queued_lately.was_queued(&session, period));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_queued_again_was_queued_for_twice_as_long() {
        let queued_lately = QueuedLately::default();
        let session = Pubkey::new_from_array([1; 32]);
        let period = Duration::from_secs(10);
        queued_lately.queued_now(session);
        queued_lately.queued_now(session);
        tokio::time::advance(Duration::from_secs(19)).await;
        assert!(queued_lately.was_queued(&session, period));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!queued_lately.was_queued(&session, period));
    }
}
