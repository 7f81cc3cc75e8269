//! How fast a comparison asks: it has time, and others need the endpoint.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use session_chain::RpcPool;
use tokio::time::Instant;

/// At most so many calls a second, and none that the credits' budget has no room for.
#[derive(Debug)]
pub(crate) struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// `calls_per_second` of 0 is no limit.
    pub(crate) fn new(calls_per_second: u32) -> Self {
        Self {
            gap: Duration::from_secs(1).checked_div(calls_per_second).unwrap_or_default(),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until a call by this method may be made.
    pub(crate) async fn wait(&self, pool: &RpcPool, method: &str) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.gap;
            turn
        };
        tokio::time::sleep_until(turn).await;
        let credits = pool.credits();
        credits.room(credits.price(method)).await;
    }
}

#[cfg(test)]
mod tests {
    use session_chain::{CommitmentConfig, Endpoint, RetryPolicy};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_spread_over_the_second() {
        let endpoint = Endpoint {
            http: "http://127.0.0.1:1".to_owned(),
            ws: "ws://127.0.0.1:1".to_owned(),
        };
        let pool = RpcPool::new(
            vec![endpoint],
            CommitmentConfig::confirmed(),
            RetryPolicy::default(),
            Duration::from_secs(1),
        )
        .unwrap();
        let pace = Pace::new(10);
        let started = Instant::now();
        for _ in 0..21 {
            pace.wait(&pool, "getMultipleAccounts").await;
        }
        let took = started.elapsed();
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_millis(2_200),
            "{took:?}"
        );
        let unlimited = Pace::new(0);
        let started = Instant::now();
        for _ in 0..1_000 {
            unlimited.wait(&pool, "getMultipleAccounts").await;
        }
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
