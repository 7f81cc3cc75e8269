//! What a listener that stands by asks the chain: hardly anything.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health};
use tokio::{sync::watch, time::Instant};

use crate::status::ListenerStatus;

/// How old an answer may be while a listener stands by.
const STANDBY_INTERVAL: Duration = Duration::from_mins(10);

type Verdict = Result<Health, CheckFailure>;

/// A check that costs credits, made rarely while the listener stands by.
#[derive(Debug)]
pub struct Sparing<C> {
    check: C,
    status: watch::Receiver<ListenerStatus>,
    last: Mutex<Option<(Instant, Verdict)>>,
}

impl<C> Sparing<C> {
    /// The check, for the listener that tells this status.
    pub fn new(check: C, status: watch::Receiver<ListenerStatus>) -> Self {
        Self {
            check,
            status,
            last: Mutex::default(),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<(Instant, Verdict)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last answer, if it is good enough. What was bad is asked again.
    fn known(&self) -> Option<Verdict> {
        let stands_by = self.status.borrow().standby.is_some();
        let last = self.last().clone();
        last.filter(|(at, verdict)| stands_by && verdict.is_ok() && at.elapsed() < STANDBY_INTERVAL)
            .map(|(_, verdict)| verdict)
    }
}

#[async_trait]
impl<C: Check> Check for Sparing<C> {
    fn name(&self) -> &'static str {
        self.check.name()
    }

    fn every(&self, configured: Duration) -> Duration {
        self.check.every(configured)
    }

    async fn check(&self) -> Verdict {
        if let Some(verdict) = self.known() {
            return verdict;
        }
        let verdict = self.check.check().await;
        *self.last() = Some((Instant::now(), verdict.clone()));
        verdict
    }

    async fn changed(&self) {
        self.check.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    struct Counted(Arc<AtomicU64>);

    #[async_trait]
    impl Check for Counted {
        fn name(&self) -> &'static str {
            "counted"
        }

        async fn check(&self) -> Verdict {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Health::Good)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stands_by_asks_rarely() {
        let (status, watched) = watch::channel(ListenerStatus::default());
        let asked = Arc::<AtomicU64>::default();
        let check = Sparing::new(Counted(Arc::clone(&asked)), watched);
        for _ in 0..3 {
            check.check().await.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        status.send_modify(|status| status.standby = Some(String::from("another")));
        for _ in 0..120 {
            check.check().await.unwrap();
            tokio::time::advance(Duration::from_secs(30)).await;
        }
        let in_an_hour = asked.load(Ordering::Relaxed) - 3;
        assert!((5..=6).contains(&in_an_hour), "{in_an_hour}");
    }
}
