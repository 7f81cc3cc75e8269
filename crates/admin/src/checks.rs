//! The checks that are made at an interval, each for itself: one that hangs holds up no other.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    check::{Check, CheckFailure},
    health::HealthRegistry,
};

/// Makes all checks at once and then at every interval, until stopped. A check has failed if it takes longer than the
/// interval, or than 10 s.
pub async fn run_checks(
    registry: HealthRegistry,
    every: Duration,
    checks: Vec<Arc<dyn Check>>,
    stop: CancellationToken,
) {
    let limit = every.min(Duration::from_secs(10));
    for check in &checks {
        // Two intervals and the time that a check may take: anything older means that nobody checks any more.
        registry.expect(check.name(), 2 * every + limit);
    }
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let round = join_all(checks.iter().map(|check| make(&registry, check.as_ref(), limit)));
        if stop.run_until_cancelled(round).await.is_none() {
            return;
        }
    }
}

async fn make(registry: &HealthRegistry, check: &dyn Check, limit: Duration) {
    let result = match timeout(limit, check.check()).await {
        Ok(result) => result,
        Err(_elapsed) => Err(CheckFailure::new(format!("no answer within {limit:?}"))),
    };
    match &result {
        // What has just started has not connected yet.
        Err(failure) if registry.is_new(check.name()) => {
            tracing::info!(check = check.name(), %failure, "health check does not pass yet");
        }
        Err(failure) => tracing::warn!(check = check.name(), %failure, "health check failed"),
        Ok(_) => {}
    }
    registry.record(check.name(), result);
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::check::Health;

    struct Hangs;
    struct Passes;

    #[async_trait]
    impl Check for Hangs {
        fn name(&self) -> &'static str {
            "hangs"
        }
        async fn check(&self) -> Result<Health, CheckFailure> {
            std::future::pending().await
        }
    }

    #[async_trait]
    impl Check for Passes {
        fn name(&self) -> &'static str {
            "passes"
        }
        async fn check(&self) -> Result<Health, CheckFailure> {
            Ok(Health::Good)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_fails_alone() {
        let registry = HealthRegistry::default();
        let stop = CancellationToken::new();
        let checks: Vec<Arc<dyn Check>> = vec![Arc::new(Hangs), Arc::new(Passes)];
        let running = tokio::spawn(run_checks(
            registry.clone(),
            Duration::from_secs(30),
            checks,
            stop.clone(),
        ));
        tokio::time::sleep(Duration::from_secs(11)).await;
        let failed: Vec<_> = registry
            .report()
            .failed
            .into_iter()
            .map(|check| (check.name, check.reason))
            .collect();
        assert_eq!(failed, [("hangs", String::from("no answer within 10s"))]);
        stop.cancel();
        running.await.unwrap();
    }
}
