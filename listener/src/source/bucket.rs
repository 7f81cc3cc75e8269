//! A token bucket: what strangers can cause is done at a rate that the operator has chosen.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

const HOUR: Duration = Duration::from_hours(1);
/// It holds what one minute brings.
const MINUTES: u32 = 60;

/// Tokens that come at a steady rate and are kept for a minute. Whoever shares it is served in turn.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Between two tokens.
    interval: Duration,
    /// What is saved up in a full bucket, beside the token at hand.
    saved_max: Duration,
    /// When the last token that was given was, or will be, due.
    given_up_to: Mutex<Instant>,
}

impl Bucket {
    /// A full bucket that brings so many tokens an hour.
    pub(crate) fn new(per_hour: u32) -> Self {
        let per_hour = per_hour.max(1);
        let interval = HOUR / per_hour;
        Self {
            interval,
            saved_max: interval * (Self::burst(per_hour) - 1),
            given_up_to: Mutex::new(Instant::now()),
        }
    }

    /// Tokens that a full bucket holds.
    pub(crate) fn burst(per_hour: u32) -> u32 {
        (per_hour / MINUTES).max(1)
    }

    /// Waits for a token. It is spent, too, by whoever does not wait until it comes.
    pub(crate) async fn take(&self) {
        let now = Instant::now();
        let wait = self.reserve(now);
        if !wait.is_zero() {
            sleep_until(now + wait).await;
        }
    }

    /// How long the next token takes to come.
    fn reserve(&self, now: Instant) -> Duration {
        let mut given_up_to = self.given_up_to.lock().unwrap_or_else(PoisonError::into_inner);
        let due = (*given_up_to).max(now);
        *given_up_to = due + self.interval;
        due.duration_since(now).saturating_sub(self.saved_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_brings_its_tokens_and_what_was_saved() {
        const PER_HOUR: u32 = 3_600;
        let bucket = Bucket::new(PER_HOUR);
        let end = Instant::now() + HOUR;
        let mut taken = 0;
        while tokio::time::timeout_at(end, bucket.take()).await.is_ok() {
            taken += 1;
        }
        println!("an attack of one hour: {taken} tokens of a bucket of {PER_HOUR} an hour");
        assert!(taken <= PER_HOUR + Bucket::burst(PER_HOUR), "{taken}");
        assert!(taken >= PER_HOUR, "{taken}");
        tokio::time::advance(HOUR).await;
        let since = Instant::now();
        for _ in 0..Bucket::burst(PER_HOUR) {
            bucket.take().await;
        }
        assert_eq!(since.elapsed(), Duration::ZERO, "a minute's tokens are kept");
        bucket.take().await;
        assert_eq!(since.elapsed(), Duration::from_secs(1), "and no more");
    }
}
