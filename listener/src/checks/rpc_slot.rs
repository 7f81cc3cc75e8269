//! The chain's slot: it is told, and it goes on.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health, in_time};
use session_chain::{RpcClient, RpcPool};
use tokio::time::Instant;

use super::PATIENCE;

/// No chain takes so long for a slot.
const STANDS_AFTER: Duration = Duration::from_secs(4);

/// The RPC tells its slot, and another one than before.
pub struct RpcSlot {
    pool: RpcPool,
    /// The last slot, and when it was told for the first time.
    last: Mutex<Option<(u64, Instant)>>,
}

impl RpcSlot {
    /// A check of the chain behind these endpoints.
    #[must_use]
    pub fn new(pool: RpcPool) -> Self {
        Self {
            pool,
            last: Mutex::default(),
        }
    }

    /// Whether a chain that tells `slot` goes on.
    fn judge(&self, slot: u64, now: Instant) -> Result<Health, CheckFailure> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match *last {
            Some((same, since)) if same == slot => since,
            _ => now,
        };
        *last = Some((slot, since));
        let stood = now.duration_since(since);
        if stood >= STANDS_AFTER {
            let reason = format!(
                "the chain stands at slot {slot} for {} s, or the node has lost it",
                stood.as_secs()
            );
            return Err(CheckFailure::new(reason));
        }
        Ok(Health::Good)
    }
}

#[async_trait]
impl Check for RpcSlot {
    fn name(&self) -> &'static str {
        "rpc_slot"
    }

    fn every(&self, configured: Duration) -> Duration {
        in_time(configured, PATIENCE)
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
        let slot = self.pool.call("getSlot", Some(Instant::now() + PATIENCE), ask).await;
        match slot {
            Ok(slot) => self.judge(slot, Instant::now()),
            Err(error) => Err(CheckFailure::new(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use session_chain::{CommitmentConfig, Endpoint, RetryPolicy};

    use super::*;

    #[test]
    fn a_chain_that_stands_is_told_from_one_that_goes_on() {
        let nowhere = Endpoint {
            http: String::from("http://127.0.0.1:9"),
            ws: String::from("ws://127.0.0.1:9"),
        };
        let pool = RpcPool::new(
            vec![nowhere],
            CommitmentConfig::confirmed(),
            RetryPolicy::once(),
            PATIENCE,
        );
        let check = RpcSlot::new(pool.unwrap());
        let start = Instant::now();
        let after = |secs| start + Duration::from_secs(secs);
        assert!(check.judge(7, start).is_ok());
        assert!(check.judge(7, after(2)).is_ok(), "asked again too soon");
        assert!(check.judge(8, after(30)).is_ok());
        let stands = check.judge(8, after(60)).unwrap_err();
        assert_eq!(
            stands.to_string(),
            "the chain stands at slot 8 for 30 s, or the node has lost it"
        );
        // Another node may be a little behind: it is another slot.
        assert!(check.judge(7, after(90)).is_ok());
    }
}
