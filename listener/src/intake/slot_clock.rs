//! When each slot was first seen: an event has been visible since its slot was.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;

/// Slots that are remembered: about seven minutes of mainnet.
const SLOTS_MAX: usize = 1_024;

/// First sight of the last slots.
#[derive(Debug, Default)]
pub(crate) struct SlotClock(Mutex<BTreeMap<u64, OffsetDateTime>>);

impl SlotClock {
    /// The slot is seen now, maybe not for the first time.
    pub(crate) fn saw(&self, slot: u64) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(slot).or_insert_with(OffsetDateTime::now_utc);
        if slots.len() > SLOTS_MAX {
            slots.pop_first();
        }
    }

    /// When the slot was first seen; now, if it never was.
    pub(crate) fn first_sight(&self, slot: u64) -> OffsetDateTime {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(&slot).copied().unwrap_or_else(OffsetDateTime::now_utc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sight_of_a_slot_stays_and_old_slots_go() {
        let clock = SlotClock::default();
        clock.saw(7);
        let first = clock.first_sight(7);
        clock.saw(7);
        assert_eq!(clock.first_sight(7), first);
        for slot in 8..8 + SLOTS_MAX as u64 {
            clock.saw(slot);
        }
        assert!(
            clock.first_sight(7) > first,
            "slot 7 is forgotten, so it counts as seen now"
        );
    }
}
