//! What `/stats` counts.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

/// The service's counts since it started.
#[derive(Debug)]
pub struct Stats {
    started_at: Instant,
    running: AtomicBool,
    /// Accounts that this process created and verified.
    pub accounts_created: AtomicU64,
    /// Accounts that existed already and passed verification.
    pub accounts_existing: AtomicU64,
    /// Messages that ended as a dead letter.
    pub accounts_failed: AtomicU64,
    /// Attempts that failed and will be made again.
    pub attempts_failed: AtomicU64,
    /// Dead letters that an operator threw away.
    pub letters_purged: AtomicU64,
    /// Credits that requests to the RPC have cost.
    pub rpc_credits: AtomicU64,
    /// Credits an hour, at the rate of the last minutes.
    pub rpc_credits_per_hour: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            started_at: Instant::now(),
            running: AtomicBool::new(true),
            accounts_created: AtomicU64::default(),
            accounts_existing: AtomicU64::default(),
            accounts_failed: AtomicU64::default(),
            attempts_failed: AtomicU64::default(),
            letters_purged: AtomicU64::default(),
            rpc_credits: AtomicU64::default(),
            rpc_credits_per_hour: AtomicU64::default(),
        }
    }
}

impl Stats {
    /// How long the service has been running.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// The service drains: it is not running any more.
    pub fn stopped(&self) {
        self.running.store(false, Ordering::Relaxed);
    }

    /// What requests to the RPC have cost so far, and what they cost in an hour.
    pub fn spent(&self, credits: u64, credits_per_hour: u64) {
        self.rpc_credits.store(credits, Ordering::Relaxed);
        self.rpc_credits_per_hour.store(credits_per_hour, Ordering::Relaxed);
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "accounts_created": count(&self.accounts_created),
            "accounts_failed": count(&self.accounts_failed),
            "is_running": self.running.load(Ordering::Relaxed),
            "uptime_seconds": self.uptime().as_secs(),
            "accounts_existing": count(&self.accounts_existing),
            "attempts_failed": count(&self.attempts_failed),
            "letters_purged": count(&self.letters_purged),
            "rpc_credits": count(&self.rpc_credits),
            "rpc_credits_per_hour": count(&self.rpc_credits_per_hour),
        })
    }
}
