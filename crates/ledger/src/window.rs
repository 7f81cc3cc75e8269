//! Lamports spent in the last hour: at most the limit in any 60 minutes, wherever they begin.
//!
//! A limit may be spent at once and comes back as it was spent, an hour later; nothing comes back sooner. (A bucket that
//! is full and refills at the hourly rate would let through almost twice the limit in the hour after a burst.) Spending
//! is counted by the minute, and a minute is forgotten once a whole hour has passed since its end: between 60 and 61
//! minutes after the lamports were spent.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The finest step of time that is told apart.
const STEP_SECS: u64 = 60;
/// A step counts for itself and for this many after it.
const STEPS_PER_HOUR: u64 = 60;

/// Spending of the last hour by minute, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Minutes since 1970, and the lamports of each.
    minutes: Vec<(u64, u64)>,
}

impl Window {
    /// Counts lamports as spent now, and forgets what no hour from now on can contain.
    pub fn spend(&mut self, lamports: u64, now: SystemTime) {
        let minute = minute_of(now);
        self.minutes.retain(|(at, _)| !is_over(*at, minute));
        if lamports == 0 {
            return;
        }
        match self.minutes.binary_search_by_key(&minute, |(at, _)| *at) {
            Ok(found) => self.minutes[found].1 = self.minutes[found].1.saturating_add(lamports),
            Err(place) => self.minutes.insert(place, (minute, lamports)),
        }
    }

    /// Lamports that count against a limit now.
    #[must_use]
    pub fn spent(&self, now: SystemTime) -> u64 {
        let minute = minute_of(now);
        let counting = self.minutes.iter().filter(|(at, _)| !is_over(*at, minute));
        counting.fold(0, |sum, (_, lamports)| sum.saturating_add(*lamports))
    }

    /// From when on `requested` lamports fit under `limit`, if nobody else spends meanwhile and what is `held` is all
    /// spent now. `None` where they can never fit.
    #[must_use]
    pub fn room_at(&self, now: SystemTime, held: u64, requested: u64, limit: u64) -> Option<SystemTime> {
        if requested > limit {
            return None;
        }
        let minute = minute_of(now);
        let mut counting = self.spent(now).saturating_add(held);
        if counting.saturating_add(requested) <= limit {
            return Some(now);
        }
        let past = self.minutes.iter().filter(|(at, _)| !is_over(*at, minute)).copied();
        for (at, lamports) in past.chain(std::iter::once((minute, held))) {
            counting = counting.saturating_sub(lamports);
            if counting.saturating_add(requested) <= limit {
                return Some(start_of(at + STEPS_PER_HOUR + 1));
            }
        }
        // Only a clock that was set back gets here: what is counted for the future goes last.
        Some(start_of(minute + STEPS_PER_HOUR + 1))
    }
}

/// Whether a minute's spending is out of every hour that ends in `now` or later.
fn is_over(minute: u64, now: u64) -> bool {
    minute + STEPS_PER_HOUR < now
}

fn minute_of(now: SystemTime) -> u64 {
    session_clock::epoch_secs(now) / STEP_SECS
}

fn start_of(minute: u64) -> SystemTime {
    session_clock::from_epoch_ms(minute * STEP_SECS * 1_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(seconds: u64) -> SystemTime {
        session_clock::from_epoch_ms(1_000 * (1_700_000_000 + seconds))
    }

    #[test]
    fn all_of_it_at_once_and_nothing_more_for_an_hour() {
        let mut window = Window::default();
        assert_eq!(window.room_at(at(0), 0, 100, 100), Some(at(0)));
        window.spend(100, at(0));
        let room = window.room_at(at(1), 0, 1, 100).unwrap();
        assert!(room >= at(0) + HOUR && room <= at(60) + HOUR, "{room:?}");
        assert_eq!(window.spent(room - Duration::from_secs(1)), 100);
        assert_eq!(window.spent(room), 0);
        assert_eq!(window.room_at(room, 0, 100, 100), Some(room));
    }

    #[test]
    fn what_is_over_the_limit_alone_never_fits() {
        assert_eq!(Window::default().room_at(at(0), 0, 101, 100), None);
    }

    #[test]
    fn what_is_held_counts_as_if_it_were_spent_now() {
        let window = Window::default();
        let room = window.room_at(at(0), 100, 1, 100).unwrap();
        assert!(room >= at(0) + HOUR, "{room:?}");
    }

    #[test]
    fn a_clock_that_goes_back_frees_nothing() {
        let mut window = Window::default();
        window.spend(60, at(600));
        window.spend(40, at(0));
        assert_eq!(window.spent(at(0)), 100);
        assert!(window.room_at(at(0), 0, 1, 100).unwrap() >= at(0) + HOUR);
    }

    /// What somebody wants to spend: seconds after the one before, and lamports.
    fn wishes() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((0..900_u64, 1..60_u64), 1..200)
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_in_any_hour(wishes in wishes(), limit in 1..300_u64) {
            let (mut window, mut now, mut spent) = (Window::default(), at(0), Vec::new());
            for (pause, lamports) in wishes {
                now += Duration::from_secs(pause);
                if window.room_at(now, 0, lamports, limit) == Some(now) {
                    window.spend(lamports, now);
                    spent.push((now, lamports));
                }
            }
            for (from, _) in &spent {
                let hour = spent.iter().filter(|(at, _)| at >= from && *at < *from + HOUR);
                prop_assert!(hour.map(|(_, lamports)| lamports).sum::<u64>() <= limit);
            }
        }

        #[test]
        fn a_promise_is_kept_and_is_the_first_that_could_be(wishes in wishes(), limit in 60..300_u64) {
            let (mut window, mut now) = (Window::default(), at(0));
            for (pause, lamports) in wishes {
                now += Duration::from_secs(pause);
                let room = window.room_at(now, 0, lamports, limit).unwrap();
                prop_assert!(room >= now && room <= now + HOUR + Duration::from_secs(STEP_SECS));
                prop_assert_eq!(window.room_at(room, 0, lamports, limit), Some(room));
                if room > now {
                    let before = room - Duration::from_secs(1);
                    prop_assert!(window.room_at(before, 0, lamports, limit) > Some(before));
                }
                now = room;
                window.spend(lamports, now);
            }
        }

        #[test]
        fn a_window_stays_small(wishes in wishes()) {
            let (mut window, mut now) = (Window::default(), at(0));
            for (pause, lamports) in wishes {
                now += Duration::from_secs(pause);
                window.spend(lamports, now);
                prop_assert!(window.minutes.len() as u64 <= STEPS_PER_HOUR + 1);
            }
        }
    }
}
