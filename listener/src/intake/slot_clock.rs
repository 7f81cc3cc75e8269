//! Since when each slot is visible: since it was first seen, or since its block was made where nobody was looking.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use time::OffsetDateTime;

/// Slots that are remembered: about seven minutes of mainnet.
const SLOTS_MAX: usize = 1_024;

/// What is known of the time of the last slots.
#[derive(Debug, Default)]
pub(crate) struct SlotClock(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    /// When each was first seen.
    seen: BTreeMap<u64, OffsetDateTime>,
    /// When the block of each was made, as the chain tells it: to the second.
    told: HashMap<u64, OffsetDateTime>,
    /// The slots of `told` in the order in which they were told.
    order: VecDeque<u64>,
}

impl SlotClock {
    /// The slot is seen now, maybe not for the first time.
    pub(crate) fn saw(&self, slot: u64) {
        let mut slots = self.slots();
        slots.seen.entry(slot).or_insert_with(|| session_clock::now().into());
        if slots.seen.len() > SLOTS_MAX {
            slots.seen.pop_first();
        }
    }

    /// The chain tells when the slot's block was made, in unix seconds.
    pub(crate) fn told(&self, slot: u64, block_time: i64) {
        let Ok(time) = OffsetDateTime::from_unix_timestamp(block_time) else {
            return;
        };
        let mut slots = self.slots();
        if slots.told.insert(slot, time).is_none() {
            slots.order.push_back(slot);
        }
        if slots.order.len() > SLOTS_MAX
            && let Some(oldest) = slots.order.pop_front()
        {
            slots.told.remove(&oldest);
        }
    }

    /// Since when what the slot holds is visible: since its first sight, which is exact; else since its block was made, which
    /// may be hours ago; now, if neither is known.
    pub(crate) fn visible_since(&self, slot: u64) -> OffsetDateTime {
        let slots = self.slots();
        let known = slots.seen.get(&slot).or_else(|| slots.told.get(&slot));
        let now = session_clock::now_utc();
        // The chain's clock may go before this machine's.
        known.copied().unwrap_or(now).min(now)
    }

    /// The maps are never left half changed, so a poisoned lock is as good as any.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sight_of_a_slot_stays_and_old_slots_go() {
        let clock = SlotClock::default();
        clock.saw(7);
        let first = clock.visible_since(7);
        clock.saw(7);
        assert_eq!(clock.visible_since(7), first);
        for slot in 8..8 + SLOTS_MAX as u64 {
            clock.saw(slot);
        }
        assert!(
            clock.visible_since(7) > first,
            "slot 7 is forgotten, so it counts as seen now"
        );
    }

    #[test]
    fn what_nobody_saw_is_visible_since_its_block_was_made() {
        let clock = SlotClock::default();
        let three_hours_ago = session_clock::now_utc() - time::Duration::hours(3);
        for slot in 1..=2 * SLOTS_MAX as u64 {
            clock.saw(1_000_000 + slot);
            clock.told(slot, three_hours_ago.unix_timestamp());
            let since = clock.visible_since(slot);
            assert_eq!(
                since.unix_timestamp(),
                three_hours_ago.unix_timestamp(),
                "however old the slot is"
            );
        }
        clock.told(1_000_000 + 2 * SLOTS_MAX as u64, three_hours_ago.unix_timestamp());
        let seen = clock.visible_since(1_000_000 + 2 * SLOTS_MAX as u64);
        assert!(seen > three_hours_ago, "what was seen is known better");
        clock.told(5, i64::MAX);
        let in_a_minute = session_clock::now_utc() + time::Duration::minutes(1);
        clock.told(6, in_a_minute.unix_timestamp());
        assert!(
            clock.visible_since(6) <= session_clock::now_utc(),
            "nothing is visible before it is there"
        );
    }
}
