//! When those come again for whom a budget had no room: one after the other, as fast as the budget comes back. If all of
//! them came at the moment at which there is room for one, all but one would have come for nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use solana_pubkey::Pubkey;

/// What was spent comes back within so long: an hour, the minute that the books count in, and one for whoever is late.
const BUDGET_COMES_BACK: Duration = Duration::from_mins(62);
/// Nobody is sent away for longer than this after the first for whom there is room: a crowd that asks for more than a budget
/// gives in this time draws lots.
const SPREAD_MAX: Duration = Duration::from_hours(12);

/// The moments that were promised by this process.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// By whose budget it is, `None` being everybody's: when the next one may come.
    next: Mutex<BTreeMap<Option<Pubkey>, SystemTime>>,
}

/// A budget that has no room now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Whose it is; `None` for everybody's.
    pub(crate) whose: Option<Pubkey>,
    /// Lamports in an hour.
    pub(crate) limit: u64,
    /// When there is room for the first of those who wait.
    pub(crate) room_at: SystemTime,
}

impl Promises {
    /// When somebody who needs so many lamports of a budget may come again.
    pub(crate) fn promise(&self, spent: &Spent, lamports: u64, now: SystemTime) -> SystemTime {
        // Plain values: a poisoned lock is as good as any.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.retain(|_, at| *at > now);
        let last = spent.room_at + SPREAD_MAX;
        let at = next.get(&spent.whose).copied().filter(|at| *at <= last);
        let at = at.map_or(spent.room_at, |at| at.max(spent.room_at));
        next.insert(spent.whose, at + comes_back_in(lamports, spent.limit));
        at
    }
}

/// How long a budget takes to give so many lamports.
fn comes_back_in(lamports: u64, limit: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a moment need not be exact to a lamport")]
    let part = lamports.min(limit) as f64 / limit.max(1) as f64;
    BUDGET_COMES_BACK.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const ALICE: Option<Pubkey> = Some(Pubkey::new_from_array([1; 32]));

    fn at(minutes: u64) -> SystemTime {
        NOW + Duration::from_mins(minutes)
    }

    fn spent(whose: Option<Pubkey>, room_at: SystemTime) -> Spent {
        Spent {
            whose,
            limit: 100,
            room_at,
        }
    }

    #[test]
    fn no_more_are_called_in_an_hour_than_the_budget_pays_for() {
        let promises = Promises::default();
        let promised: Vec<_> = (0..250)
            .map(|_| promises.promise(&spent(ALICE, at(61)), 1, NOW))
            .collect();
        assert_eq!(promised[0], at(61));
        assert!(promised.is_sorted());
        for from in &promised {
            let hour = promised
                .iter()
                .filter(|at| *at >= from && **at < *from + BUDGET_COMES_BACK);
            assert!(hour.count() <= 101, "the first and the last of them are an hour apart");
        }
    }

    #[test]
    fn each_budget_has_its_own_line() {
        let promises = Promises::default();
        for _ in 0..100 {
            promises.promise(&spent(ALICE, at(61)), 1, NOW);
        }
        assert_eq!(promises.promise(&spent(None, at(10)), 1, NOW), at(10));
    }

    #[test]
    fn nobody_waits_for_a_crowd_without_end() {
        let promises = Promises::default();
        for _ in 0..10_000 {
            let at = promises.promise(&spent(None, at(61)), 1, NOW);
            assert!(at <= self::at(61) + SPREAD_MAX);
        }
    }

    #[test]
    fn what_was_promised_for_the_past_is_forgotten() {
        let promises = Promises::default();
        promises.promise(&spent(ALICE, at(61)), 100, NOW);
        assert_eq!(promises.promise(&spent(ALICE, at(200)), 1, at(190)), at(200));
        assert_eq!(promises.next.lock().unwrap().len(), 1);
    }
}
