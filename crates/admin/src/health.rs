//! The results of the checks, and what they say together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    check::{CheckFailure, Evidence, Health},
    pulse::Pulses,
};

/// Checks are made every second or so; whoever has not been at it for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// The last result of every check, and when somebody was last at it. Clones share it.
#[derive(Clone, Default)]
pub struct HealthRegistry {
    checks: Arc<Mutex<BTreeMap<&'static str, Entry>>>,
    last_beat: Arc<Mutex<Option<Instant>>>,
    evidence: Option<Arc<dyn Evidence>>,
    tasks: Arc<Mutex<Vec<Pulses>>>,
}

#[derive(Debug)]
struct Entry {
    /// A result older than this is no result any more.
    max_age: Duration,
    last: Option<LastResult>,
    has_passed: bool,
    failing_since: Instant,
}

#[derive(Debug)]
struct LastResult {
    at: Instant,
    result: Result<Health, CheckFailure>,
}

/// What the checks say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthReport {
    /// The checks that failed, that were never made, or whose result is too old. None of them: healthy.
    pub failed: Vec<FailedCheck>,
    /// Checks that passed with a warning, and the warning.
    pub degraded: Vec<(&'static str, String)>,
}

/// A check that does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCheck {
    /// Its name.
    pub name: &'static str,
    /// Why it does not pass.
    pub reason: String,
    /// For how long it has not passed.
    pub since: Duration,
}

impl HealthRegistry {
    /// A registry that believes this evidence more than any single link: while users are served, a link that fails is a
    /// warning.
    #[must_use]
    pub fn with_evidence(evidence: Arc<dyn Evidence>) -> Self {
        Self {
            evidence: Some(evidence),
            ..Self::default()
        }
    }

    /// Adds a check that has not been made yet, and whose results are good for `max_age`.
    pub fn expect(&self, name: &'static str, max_age: Duration) {
        self.checks().insert(
            name,
            Entry {
                max_age,
                last: None,
                has_passed: false,
                failing_since: Instant::now(),
            },
        );
    }

    /// Keeps a check's result.
    pub fn record(&self, name: &'static str, result: Result<Health, CheckFailure>) {
        let now = Instant::now();
        if let Some(entry) = self.checks().get_mut(name) {
            let passed_before = entry.last.as_ref().is_some_and(|last| last.result.is_ok());
            if passed_before {
                entry.failing_since = now;
            }
            entry.has_passed |= result.is_ok();
            entry.last = Some(LastResult { at: now, result });
        }
    }

    /// Has `/live` look at these tasks, too.
    pub fn watch(&self, tasks: Pulses) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(tasks);
    }

    /// Why a process should be replaced: a task has made no progress for too long, or nobody is at the checks.
    pub(crate) fn hung(&self) -> Option<String> {
        let watched = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let hung = watched.iter().find_map(Pulses::hung);
        if let Some(hung) = hung {
            let (task, silent) = (hung.task, hung.silent.as_secs());
            return Some(format!("the task {task} has made no progress for {silent} s"));
        }
        let stuck = self.stuck_for()?;
        Some(format!("no task has made progress for {} s", stuck.as_secs()))
    }

    /// Somebody is at it.
    pub(crate) fn beat(&self) {
        *self.last_beat.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// For how long nobody has been at the checks, if for too long.
    fn stuck_for(&self) -> Option<Duration> {
        let last = *self.last_beat.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed()).filter(|silent| *silent > STUCK_AFTER)
    }

    /// Whether the check has passed since it is made.
    pub(crate) fn has_passed(&self, name: &str) -> bool {
        self.checks().get(name).is_some_and(|entry| entry.has_passed)
    }

    /// What the checks say now.
    #[must_use]
    pub fn report(&self) -> HealthReport {
        let now = Instant::now();
        let mut report = HealthReport::default();
        for (name, entry) in self.checks().iter() {
            match entry.verdict(now) {
                Ok(Health::Good) => {}
                Ok(Health::Degraded(warning)) => report.degraded.push((name, warning)),
                Err(reason) => {
                    report.failed.push(FailedCheck {
                        name,
                        reason,
                        since: now.duration_since(entry.failing_since),
                    });
                }
            }
        }
        let served = self.evidence.as_ref().and_then(|evidence| evidence.of_service());
        if let Some(served) = served.filter(|_| self.stuck_for().is_none()) {
            let failed = report.failed.drain(..);
            let warnings = failed.map(|check| (check.name, format!("{}; but {served}", check.reason)));
            report.degraded.extend(warnings);
        }
        report
    }

    /// The results are never left half changed, so a poisoned lock is as good as any.
    fn checks(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn verdict(&self, now: Instant) -> Result<Health, String> {
        let Some(last) = &self.last else {
            return Err(String::from("not checked yet"));
        };
        let age = now.duration_since(last.at);
        if age > self.max_age {
            return Err(format!("last checked {} s ago", age.as_secs()));
        }
        last.result.clone().map_err(|failure| failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(70);

    struct Serves(bool);

    impl Evidence for Serves {
        fn of_service(&self) -> Option<String> {
            self.0.then(|| String::from("an account was verified just now"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_users_are_served_a_broken_link_is_a_warning() {
        for (serves, failed, degraded) in [(true, 0, 1), (false, 1, 0)] {
            let registry = HealthRegistry::with_evidence(Arc::new(Serves(serves)));
            registry.expect("rpc_slot", AGE);
            registry.record("rpc_slot", Err(CheckFailure::new("connection refused")));
            let report = registry.report();
            assert_eq!(
                (report.failed.len(), report.degraded.len()),
                (failed, degraded),
                "{report:?}"
            );
        }
    }

    fn registry() -> HealthRegistry {
        let registry = HealthRegistry::default();
        registry.expect("rpc_slot", AGE);
        registry
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_was_never_made_fails() {
        let failed = registry().report().failed;
        assert_eq!(
            (failed[0].name, failed[0].reason.as_str()),
            ("rpc_slot", "not checked yet")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_result_is_no_result() {
        let registry = registry();
        registry.record("rpc_slot", Ok(Health::Good));
        tokio::time::advance(AGE).await;
        assert_eq!(registry.report(), HealthReport::default());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(registry.report().failed[0].reason, "last checked 71 s ago");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_from_when_it_began() {
        let registry = registry();
        registry.record("rpc_slot", Ok(Health::Good));
        tokio::time::advance(Duration::from_secs(5)).await;
        for _ in 0..2 {
            registry.record("rpc_slot", Err(CheckFailure::new("connection refused")));
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let failed = registry.report().failed;
        assert_eq!(failed[0].since, Duration::from_secs(20));
        registry.record("rpc_slot", Ok(Health::Degraded(String::from("slow"))));
        assert_eq!(registry.report().degraded, [("rpc_slot", String::from("slow"))]);
    }
}
