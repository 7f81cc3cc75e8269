//! Compute units that creations take, remembered for each owner program: simulations tell them, and time makes them old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use crate::transaction::cost::{MAX_COMPUTE_UNITS, USUAL_UNITS};

/// One part in so many more than a simulation took: the next creations have other addresses, ids and sizes.
pub(super) const MARGIN_PART: u32 = 4;
/// What a simulation has told is asked again after this: programs are upgraded.
const LIFE: Duration = Duration::from_mins(10);
/// After a simulation that told nothing the next one is tried then.
const REST: Duration = Duration::from_secs(10);

/// What is known of each program. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Units(Arc<Mutex<HashMap<Pubkey, Known>>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    base: Option<u32>,
    until: Instant,
}

impl Units {
    /// Whether a simulation should be asked now.
    pub(crate) fn is_due(&self, program: &Pubkey, now: Instant) -> bool {
        self.known().get(program).is_none_or(|known| known.until <= now)
    }

    /// What a creation of the program takes beside what its address and size take, doubled `raises` times, and then not
    /// less than what is usual.
    pub(crate) fn of_a_creation(&self, program: &Pubkey, raises: u32) -> u32 {
        let base = self.known().get(program).and_then(|known| known.base);
        let base = base.unwrap_or(USUAL_UNITS);
        if raises == 0 {
            return base;
        }
        let doubled = 1_u32.checked_shl(raises).unwrap_or(u32::MAX);
        base.saturating_mul(doubled).clamp(USUAL_UNITS, MAX_COMPUTE_UNITS)
    }

    /// A simulation told what a creation takes, its margin in it, or nothing.
    pub(crate) fn learn(&self, program: Pubkey, told: Option<u32>, now: Instant) {
        let until = now + if told.is_some() { LIFE } else { REST };
        let mut known = self.known();
        // What was known is better than nothing.
        let base = told.or_else(|| known.get(&program).and_then(|known| known.base));
        known.insert(program, Known { base, until });
        let units = base.unwrap_or(USUAL_UNITS);
        gauge!(names::CREATION_COMPUTE_UNITS, "program" => program.to_string()).set(f64::from(units));
    }

    /// A transaction had too few: what is known is not so any more.
    pub(crate) fn doubt(&self, program: &Pubkey) {
        self.known().remove(program);
    }

    /// Entries are replaced as wholes, so a poisoned lock is as good as any.
    fn known(&self) -> MutexGuard<'_, HashMap<Pubkey, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Pubkey = Pubkey::new_from_array([1; 32]);
    const OTHER: Pubkey = Pubkey::new_from_array([2; 32]);

    #[test]
    fn each_program_has_its_own_and_a_raise_doubles_them() {
        let (units, now) = (Units::default(), Instant::now());
        assert!(units.is_due(&PROGRAM, now));
        assert_eq!(units.of_a_creation(&PROGRAM, 0), USUAL_UNITS);
        units.learn(PROGRAM, Some(30_000), now);
        assert_eq!(units.of_a_creation(&PROGRAM, 0), 30_000);
        assert_eq!(units.of_a_creation(&PROGRAM, 2), 120_000);
        assert_eq!(units.of_a_creation(&PROGRAM, 40), MAX_COMPUTE_UNITS);
        assert_eq!(units.of_a_creation(&OTHER, 0), USUAL_UNITS);
        units.learn(OTHER, Some(0), now);
        assert_eq!(
            (units.of_a_creation(&OTHER, 0), units.of_a_creation(&OTHER, 1)),
            (0, USUAL_UNITS)
        );
    }

    #[test]
    fn what_is_known_grows_old_and_is_better_than_nothing() {
        let (units, now) = (Units::default(), Instant::now());
        units.learn(PROGRAM, Some(30_000), now);
        assert!(!units.is_due(&PROGRAM, now));
        let later = now + LIFE;
        assert!(units.is_due(&PROGRAM, later));
        units.learn(PROGRAM, None, later);
        assert!(!units.is_due(&PROGRAM, later));
        assert!(units.is_due(&PROGRAM, later + REST));
        assert_eq!(units.of_a_creation(&PROGRAM, 0), 30_000);
        units.doubt(&PROGRAM);
        assert!(units.is_due(&PROGRAM, later));
        assert_eq!(units.of_a_creation(&PROGRAM, 0), USUAL_UNITS);
    }
}
