//! What a check is, and what it may say.

use std::time::Duration;

use async_trait::async_trait;

/// Something that can be looked at to tell whether the service works.
#[async_trait]
pub trait Check: Send + Sync + 'static {
    /// Its name, as `/health` shows it.
    fn name(&self) -> &'static str;

    /// Looks.
    async fn check(&self) -> Result<Health, CheckFailure>;

    /// How often it is made where so often is configured. What costs nothing may be looked at more often.
    fn every(&self, configured: Duration) -> Duration {
        configured
    }

    /// Returns once there is something new to see. A check of what changes by event is made at the event, and not
    /// only when its interval is over. May be given up at any time.
    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
}

/// Somebody who knows whether users are served, whatever a single link looks like from here.
pub trait Evidence: Send + Sync + 'static {
    /// What shows that they are, if anything does now.
    fn of_service(&self) -> Option<String>;
}

/// How long users may be without what they asked for before the service counts as not serving them, where checks are made
/// so often: half of that time, so that it shows within one interval, and never less than a session may take
/// (`docs/contract.md`, "Deadlines": 5 s).
#[must_use]
pub fn patience(interval: Duration) -> Duration {
    const DEADLINE: Duration = Duration::from_secs(5);
    (interval / 2).max(DEADLINE)
}

/// How often somebody else is asked where checks are made so often and an answer may take so long: what the answer says, or
/// that there is none, is told within one interval.
#[must_use]
pub fn in_time(interval: Duration, answer: Duration) -> Duration {
    interval.saturating_sub(answer).max(interval / 2)
}

/// How often what costs nothing is looked at where checks are made so often: what is found then is told within one
/// interval.
#[must_use]
pub fn often(interval: Duration) -> Duration {
    const OFTEN_ENOUGH: Duration = Duration::from_secs(5);
    (interval / 4).min(OFTEN_ENOUGH)
}

/// A check that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nothing to say.
    Good,
    /// Still working, but somebody should look: why.
    Degraded(String),
}

/// A check that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CheckFailure {
    reason: String,
}

impl CheckFailure {
    /// A failure for a reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
