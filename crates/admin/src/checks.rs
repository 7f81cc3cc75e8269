//! The checks, each made for itself: one that hangs holds up no other. A check is made at its interval, at once where
//! what it looks at has changed, and soon again until it has passed for the first time: what has just started is not
//! ill for half a minute because it was asked too early.

use std::{sync::Arc, time::Duration};

use futures::future::{join, join_all};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    check::{Check, CheckFailure},
    health::HealthRegistry,
};

/// The longest that a check may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How soon a check that has never passed is made again; twice as long after each time, up to the interval.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often the task shows that it is polled.
const BEAT: Duration = Duration::from_secs(1);
/// The shortest time between two checks, however often something changes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// Makes all checks until stopped. A check has failed if it takes longer than the interval, or than 10 s.
pub async fn run_checks(
    registry: HealthRegistry,
    every: Duration,
    checks: Vec<Arc<dyn Check>>,
    stop: CancellationToken,
) {
    let limit = every.min(LIMIT);
    for check in &checks {
        // Two intervals and the time that a check may take: anything older means that nobody checks any more.
        registry.expect(check.name(), 2 * every + limit);
    }
    let running = join_all(checks.iter().map(|check| run(&registry, check.as_ref(), every, limit)));
    stop.run_until_cancelled(join(running, beat(&registry))).await;
}

/// Shows that this task is polled: a check that blocks it, or a runtime that is stuck, stops the beat.
async fn beat(registry: &HealthRegistry) {
    loop {
        registry.beat();
        sleep(BEAT).await;
    }
}

async fn run(registry: &HealthRegistry, check: &dyn Check, every: Duration, limit: Duration) {
    let every = check.every(every);
    let mut soon = FIRST_PAUSE.min(every);
    let mut has_passed = false;
    loop {
        let made_at = Instant::now();
        has_passed |= make(registry, check, limit).await;
        let pause = if has_passed { every } else { soon };
        soon = every.min(soon * 2);
        sleep(SHORTEST_PAUSE.min(every)).await;
        tokio::select! {
            () = sleep_until(made_at + pause) => {}
            () = check.changed() => {}
        }
    }
}

/// Makes a check once, and says whether it passed.
async fn make(registry: &HealthRegistry, check: &dyn Check, limit: Duration) -> bool {
    let result = match timeout(limit, check.check()).await {
        Ok(result) => result,
        Err(_elapsed) => Err(CheckFailure::new(format!("no answer within {limit:?}"))),
    };
    let passed = result.is_ok();
    if let Err(failure) = &result {
        if registry.has_passed(check.name()) {
            tracing::warn!(check = check.name(), %failure, "health check failed");
        } else {
            // What has just started has not connected yet.
            tracing::info!(check = check.name(), %failure, "health check does not pass yet");
        }
    }
    registry.record(check.name(), result);
    passed
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use tokio::sync::Notify;

    use super::*;
    use crate::check::Health;

    const INTERVAL: Duration = Duration::from_secs(30);

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

    /// Passes from its fifth time on, and tells when something has changed.
    #[derive(Default)]
    struct Late {
        times: AtomicU32,
        change: Notify,
    }

    #[async_trait]
    impl Check for Late {
        fn name(&self) -> &'static str {
            "late"
        }
        async fn check(&self) -> Result<Health, CheckFailure> {
            match self.times.fetch_add(1, Ordering::SeqCst) {
                0..4 => Err(CheckFailure::new("not connected yet")),
                _ => Ok(Health::Good),
            }
        }
        async fn changed(&self) {
            self.change.notified().await;
        }
    }

    struct Running {
        registry: HealthRegistry,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Running {
        fn start(checks: Vec<Arc<dyn Check>>) -> Self {
            let (registry, stop) = (HealthRegistry::default(), CancellationToken::new());
            let task = tokio::spawn(run_checks(registry.clone(), INTERVAL, checks, stop.clone()));
            Self { registry, stop, task }
        }

        fn failed(&self) -> Vec<(&'static str, String)> {
            let failed = self.registry.report().failed.into_iter();
            failed.map(|check| (check.name, check.reason)).collect()
        }

        async fn stop(self) {
            self.stop.cancel();
            self.task.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_fails_alone() {
        let running = Running::start(vec![Arc::new(Hangs), Arc::new(Passes)]);
        sleep(Duration::from_secs(11)).await;
        assert_eq!(running.failed(), [("hangs", String::from("no answer within 10s"))]);
        running.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_check_is_repeated_until_it_passes_and_then_waits_for_its_interval() {
        let check = Arc::new(Late::default());
        let running = Running::start(vec![Arc::clone(&check) as _]);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(running.failed(), []);
        assert_eq!(check.times.load(Ordering::SeqCst), 5);
        sleep(Duration::from_secs(20)).await;
        assert_eq!(check.times.load(Ordering::SeqCst), 5, "before the interval is over");
        sleep(Duration::from_secs(20)).await;
        assert_eq!(check.times.load(Ordering::SeqCst), 6, "once an interval");
        running.stop().await;
    }

    /// Whose pause doubled without an end was over after some 70 checks: nobody looked any more, and `/live` said so.
    #[tokio::test(start_paused = true)]
    async fn checks_go_on_for_ever_whether_they_pass_or_not() {
        let late = Arc::new(Late::default());
        let running = Running::start(vec![Arc::clone(&late) as _, Arc::new(Hangs)]);
        sleep(200 * INTERVAL).await;
        assert!(late.times.load(Ordering::SeqCst) > 200);
        assert!(!running.task.is_finished());
        assert_eq!(running.registry.hung(), None);
        running.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_at_once() {
        let check = Arc::new(Late::default());
        let running = Running::start(vec![Arc::clone(&check) as _]);
        sleep(Duration::from_secs(3)).await;
        let before = check.times.load(Ordering::SeqCst);
        check.change.notify_one();
        sleep(Duration::from_millis(100)).await;
        assert_eq!(check.times.load(Ordering::SeqCst), before + 1);
        running.stop().await;
    }
}
