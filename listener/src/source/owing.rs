//! Whether the subscription owes anything: a connection can live, bring slots and never bring a transaction. What the
//! listing finds and the subscription should have brought tells.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solana_sdk::signature::Signature;
use tokio::{sync::Notify, time::Instant};

use crate::bounded;

/// Transactions that a subscription may owe: one can be on its way while the listing finds it.
const OWED_MAX: usize = 2;
/// How long a notification may take after the listing has shown its transaction.
const GRACE: Duration = Duration::from_secs(3);
/// Slots after the first that is heard in which a subscription may not be complete yet: what is confirmed is some slots behind.
const SETTLING_SLOTS: u64 = 16;
/// Notified transactions that are remembered, in case the listing finds them later.
const HEARD_MAX: usize = 4_096;

/// Compares notifications with the listing.
#[derive(Debug, Default)]
pub(crate) struct Owing {
    state: Mutex<State>,
    reconnect: Notify,
}

#[derive(Debug)]
struct State {
    /// The first slot that the subscription must bring whole; `None` while it is not known.
    from: Option<u64>,
    heard: HashSet<Signature>,
    order: VecDeque<Signature>,
    owed: HashMap<Signature, Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            from: None,
            heard: bounded::set(HEARD_MAX + 1),
            order: VecDeque::with_capacity(HEARD_MAX + 1),
            owed: HashMap::new(),
        }
    }
}

impl Owing {
    /// A new subscription stands: the one before owes nothing any more.
    pub(crate) fn subscribed(&self) {
        let mut state = self.state();
        state.from = None;
        state.owed.clear();
    }

    /// A slot was heard of.
    pub(crate) fn saw_slot(&self, slot: u64) {
        self.state().from.get_or_insert(slot + SETTLING_SLOTS);
    }

    /// The subscription has brought a transaction.
    pub(crate) fn heard(&self, signature: Signature) {
        let mut state = self.state();
        // It brings them: what it has brought late or never is no sign of a subscription that is dead.
        state.owed.clear();
        if state.heard.insert(signature) {
            state.order.push_back(signature);
        }
        if state.order.len() > HEARD_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.heard.remove(&oldest);
        }
    }

    /// The listing shows a transaction that nobody had taken in.
    pub(crate) fn listed(&self, signature: Signature, slot: u64) {
        let mut state = self.state();
        if state.from.is_some_and(|from| slot >= from) && !state.heard.contains(&signature) {
            state.owed.entry(signature).or_insert_with(Instant::now);
        }
    }

    /// The listing has been walked: asks for another subscription if this one owes too much for too long.
    pub(crate) fn settle(&self) {
        let overdue = |at: &&Instant| at.elapsed() >= GRACE;
        if self.state().owed.values().filter(overdue).count() > OWED_MAX {
            self.reconnect.notify_one();
        }
    }

    /// Waits until the subscription owes too much, and answers how many transactions.
    pub(crate) async fn too_much(&self) -> usize {
        loop {
            self.reconnect.notified().await;
            let owed = self.state().owed.len();
            // A subscription that was new meanwhile owes nothing.
            if owed > OWED_MAX {
                return owed;
            }
        }
    }

    /// The state is never left half changed, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::time::advance;

    use super::*;

    fn signature(number: u8) -> Signature {
        Signature::from([number; 64])
    }

    /// A subscription since slot 100, and what the listing finds in this slot.
    async fn after_a_listing(slot: u64, also: impl FnOnce(&Owing)) -> Option<usize> {
        let owing = Owing::default();
        owing.subscribed();
        owing.saw_slot(100);
        for number in 1..=3 {
            owing.listed(signature(number), slot);
        }
        also(&owing);
        advance(GRACE).await;
        owing.settle();
        owing.too_much().now_or_never()
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_listing_finds_again_and_again_is_owed() {
        assert_eq!(after_a_listing(200, |_| {}).await, Some(3));
        assert_eq!(
            after_a_listing(110, |_| {}).await,
            None,
            "the subscription was hardly there"
        );
        assert_eq!(
            after_a_listing(200, |owing| owing.heard(signature(2))).await,
            None,
            "it brings what it has"
        );
        assert_eq!(
            after_a_listing(200, Owing::subscribed).await,
            None,
            "another one stands"
        );
    }
}
