//! What a check is, and what it may say.

use async_trait::async_trait;

/// Something that can be looked at to tell whether the service works.
#[async_trait]
pub trait Check: Send + Sync + 'static {
    /// Its name, as `/health` shows it.
    fn name(&self) -> &'static str;

    /// Looks.
    async fn check(&self) -> Result<Health, CheckFailure>;

    /// Returns once there is something new to see. A check of what changes by event is made at the event, and not
    /// only when its interval is over. May be given up at any time.
    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
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
