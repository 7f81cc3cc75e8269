//! Which sessions were queued lately, so that a comparison with account state does not queue them again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::time::Instant;

use crate::bounded;

/// Sessions that are remembered; one that is forgotten is queued once more at worst, which costs no rent.
const SESSIONS_MAX: usize = 4_096;
/// A period doubles so often at most: from an hour to more than two days.
const DOUBLINGS_MAX: u32 = 6;

/// The sessions that were queued last.
#[derive(Debug, Default)]
pub(crate) struct QueuedLately(Mutex<Sessions>);

#[derive(Debug)]
struct Sessions {
    queued: HashMap<Pubkey, Queued>,
    order: VecDeque<(Pubkey, Instant)>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            queued: bounded::map(SESSIONS_MAX + 1),
            order: VecDeque::with_capacity(SESSIONS_MAX + 1),
        }
    }
}

#[derive(Debug)]
struct Queued {
    last: Instant,
    times: u32,
    /// The transaction whose event it was; `None` where it followed from account state.
    by: Option<Signature>,
}

impl QueuedLately {
    /// The session is queued now, for an event of this transaction.
    pub(crate) fn queued_now(&self, session: Pubkey, by: Option<Signature>) {
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = sessions.queued.entry(session).or_insert(Queued {
            last: now,
            times: 0,
            by,
        });
        (queued.last, queued.by) = (now, by);
        queued.times = queued.times.saturating_add(1);
        sessions.order.push_back((session, now));
        if sessions.order.len() > SESSIONS_MAX
            && let Some((oldest, at)) = sessions.order.pop_front()
            && sessions.queued.get(&oldest).is_some_and(|queued| queued.last == at)
        {
            sessions.queued.remove(&oldest);
        }
    }

    /// The transaction never happened: what was queued for it alone may be asked for again. Answers how many sessions that are.
    pub(crate) fn forget(&self, by: &Signature) -> usize {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sessions.queued.len();
        sessions.queued.retain(|_, queued| queued.by.as_ref() != Some(by));
        before - sessions.queued.len()
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
        queued_lately.queued_now(session, None);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(queued_lately.was_queued(&session, period));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!queued_lately.was_queued(&session, period));
    }

    #[test]
    fn what_a_fork_took_away_is_forgotten_and_nothing_else() {
        let queued_lately = QueuedLately::default();
        let [forked, both, other] = [1, 2, 3].map(|number| Pubkey::new_from_array([number; 32]));
        let [gone, there] = [1, 2].map(|number| Signature::from([number; 64]));
        queued_lately.queued_now(forked, Some(gone));
        queued_lately.queued_now(both, Some(gone));
        queued_lately.queued_now(both, Some(there));
        queued_lately.queued_now(other, None);
        assert_eq!(queued_lately.forget(&gone), 1);
        let was_queued = |session| queued_lately.was_queued(&session, Duration::from_hours(1));
        assert_eq!([forked, both, other].map(was_queued), [false, true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_queued_again_was_queued_for_twice_as_long() {
        let queued_lately = QueuedLately::default();
        let session = Pubkey::new_from_array([1; 32]);
        let period = Duration::from_secs(10);
        queued_lately.queued_now(session, None);
        queued_lately.queued_now(session, None);
        tokio::time::advance(Duration::from_secs(19)).await;
        assert!(queued_lately.was_queued(&session, period));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!queued_lately.was_queued(&session, period));
    }
}
