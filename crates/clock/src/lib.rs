//! Time and chance: the two things that differ from one run to the next though nothing was changed.
//!
//! **What this owns.** The time of day ([`now`], [`now_utc`], [`instant`]), how it is
//! written as a number ([`epoch_ms`], [`epoch_secs`]) and whatever is random ([`random`], [`uuid`]). Waiting and measuring is
//! tokio's: [`tokio::time::Instant`], `sleep`, `timeout`. `clippy.toml` refuses the other ways to any of them, each with its
//! reason: a single `SystemTime::now` somewhere below is enough for a test's hour to last an hour, or for half of a process to
//! live in another hour than the other half.
//!
//! **How a test turns it.** By tokio's clock alone, which is one for each runtime, so that tests beside each other don't turn
//! each other's. The time of day goes with it: it is the system's as long as tokio's clock shows real time, and as far ahead
//! or behind as that clock was turned or stopped.
//!
//! - What needs nothing but time runs under `#[tokio::test(start_paused = true)]`: waits take no time, and
//!   `tokio::time::advance` turns both.
//! - What talks to a real server needs a clock that runs on: `pause`, `advance`, `resume` in a current-thread runtime jumps
//!   ahead and then goes on from there. Whoever waits sees the jump as a machine does that was asleep.
//!
//! **How a test is given chance.** [`seed`], in a process of its own: chance is the whole process's.
//!
//! **What it may not know.** Who asks, and what for.

mod epoch;

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

use rand::{
    Rng, SeedableRng,
    distr::{Distribution, StandardUniform},
    rngs::StdRng,
};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

pub use epoch::{epoch_ms, epoch_secs, from_epoch_ms};

/// A time of day and the moment at which it was that: where turned clocks count from, so that all of a process agree.
static START: OnceLock<(SystemTime, std::time::Instant)> = OnceLock::new();
/// Chance that begins with a seed.
static SEEDED: Mutex<Option<StdRng>> = Mutex::new(None);

/// The time of day: the system's, except in a runtime whose clock a test has stopped or turned.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
pub fn now() -> SystemTime {
    let (start, since) = *START.get_or_init(|| (SystemTime::now(), std::time::Instant::now()));
    let before = std::time::Instant::now();
    let shown = Instant::now().into_std();
    if (before..=std::time::Instant::now()).contains(&shown) {
        // Real time. Asked anew, because the system's is set right now and then, and goes on while the machine sleeps.
        return SystemTime::now();
    }
    match shown.checked_duration_since(since) {
        Some(later) => start + later,
        None => start - since.duration_since(shown),
    }
}

/// The same with the calendar of UTC.
#[must_use]
pub fn now_utc() -> OffsetDateTime {
    now().into()
}

/// When on tokio's clock a time of day comes; now, where it is past.
#[must_use]
pub fn instant(at: SystemTime) -> Instant {
    Instant::now() + at.duration_since(now()).unwrap_or_default()
}

/// Something random.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
pub fn random<T>() -> T
where
    StandardUniform: Distribution<T>,
{
    // A generator is never left half changed, so a poisoned lock is as good as any.
    match &mut *SEEDED.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(seeded) => seeded.random(),
        None => rand::random(),
    }
}

/// From now on this process's chance follows from `seed`.
pub fn seed(seed: u64) {
    *SEEDED.lock().unwrap_or_else(PoisonError::into_inner) = Some(StdRng::seed_from_u64(seed));
}

/// A random UUID, of version 4.
#[must_use]
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(random::<u128>().to_be_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// How far the time of day is from the system's.
    #[expect(clippy::disallowed_methods, reason = "what is asked is whether they differ")]
    fn ahead() -> Duration {
        now().duration_since(SystemTime::now()).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_day_stands_still_and_turns_with_tokios_clock() {
        let start = now();
        tokio::task::yield_now().await;
        assert_eq!(now(), start, "a stopped clock");
        tokio::time::advance(HOUR).await;
        assert_eq!(now(), start + HOUR);
        assert_eq!(instant(start + 2 * HOUR), Instant::now() + HOUR);
        assert_eq!(instant(start), Instant::now(), "what is past comes now");
        tokio::time::sleep(HOUR).await;
        assert!(now() >= start + 2 * HOUR && now() < start + 2 * HOUR + Duration::from_secs(1));
        let elsewhere = std::thread::spawn(ahead).join().unwrap();
        assert!(
            elsewhere < Duration::from_secs(1),
            "another runtime's, or none's: {elsewhere:?}"
        );
        let inside = tokio::task::spawn_blocking(ahead).await.unwrap();
        assert!(inside > HOUR, "this runtime's: {inside:?}");
    }

    #[tokio::test]
    async fn a_clock_that_was_turned_goes_on() {
        assert!(ahead() < HOUR / 2, "nobody has turned it");
        tokio::time::pause();
        tokio::time::advance(HOUR).await;
        tokio::time::resume();
        let turned = now();
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(now() >= turned + Duration::from_millis(5));
        assert!(ahead() > HOUR / 2 && ahead() < HOUR * 3 / 2, "{:?}", ahead());
    }

    #[test]
    fn chance_that_is_given_comes_again() {
        assert_ne!(random::<u128>(), random::<u128>());
        seed(7);
        let first: (u64, Uuid) = (random(), uuid());
        seed(7);
        assert_eq!((random(), uuid()), first);
        assert_eq!(first.1.get_version_num(), 4);
    }
}
