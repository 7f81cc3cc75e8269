//! Where the handler's engine comes from: it is there, or it starts when the first record needs it.
//!
//! Most of what a function concludes needs no chain: bodies that are no messages, sessions that ask for no account, claims
//! that break the rules. While the chain cannot be reached these are concluded all the same, and every record that needs
//! the engine has the reason for its own.

use std::sync::Arc;

use futures::future::BoxFuture;
use session_engine::{CreationError, Deferral, Engine, Policy};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

/// Starts an engine, or says why every request has to wait.
pub type Start = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<Engine>, CreationError>> + Send + Sync>;

/// The handler's engine.
pub enum EngineSource {
    /// It runs.
    Running(Arc<Engine>),
    /// It starts when it is needed for the first time, and once.
    Later(Later),
}

/// An engine that is still to be started.
pub struct Later {
    policy: Policy,
    start: Start,
    started: OnceCell<Arc<Engine>>,
}

impl EngineSource {
    /// An engine under `policy` that `start` starts.
    #[must_use]
    pub fn later(policy: Policy, start: Start) -> Self {
        Self::Later(Later {
            policy,
            start,
            started: OnceCell::new(),
        })
    }

    /// The rules that requests are checked against.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        match self {
            Self::Running(engine) => engine.policy(),
            Self::Later(later) => &later.policy,
        }
    }

    /// The engine, if it runs already.
    #[must_use]
    pub fn running(&self) -> Option<&Arc<Engine>> {
        match self {
            Self::Running(engine) => Some(engine),
            Self::Later(later) => later.started.get(),
        }
    }

    /// The engine, started where it has to be.
    ///
    /// # Errors
    /// Why every request has to wait: the answer of each of them.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Arc<Engine>, CreationError> {
        let later = match self {
            Self::Running(engine) => return Ok(Arc::clone(engine)),
            Self::Later(later) => later,
        };
        let started = later.started.get_or_try_init(|| (later.start)());
        match timeout_at(deadline, started).await {
            Ok(started) => started.cloned(),
            Err(_elapsed) => Err(Deferral::NoTimeLeft(None).into()),
        }
    }
}

impl From<Arc<Engine>> for EngineSource {
    fn from(engine: Arc<Engine>) -> Self {
        Self::Running(engine)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use super::*;

    fn deadline() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[tokio::test]
    async fn an_engine_that_cannot_start_is_every_requests_reason_and_is_tried_again() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let start: Start = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Err(Deferral::RateLimited("a provider".to_owned()).into()) })
        });
        let source = EngineSource::later(Policy::default(), start);
        for tried in 1..=2 {
            let error = source.get(deadline()).await.err().unwrap();
            assert_eq!(error.reason_code(), "rate_limited");
            assert_eq!(tries.load(Ordering::Relaxed), tried);
        }
        assert!(source.running().is_none());
    }

    #[tokio::test]
    async fn a_start_that_takes_too_long_leaves_time_for_the_answer() {
        let source = EngineSource::later(Policy::default(), Box::new(|| Box::pin(std::future::pending())));
        let error = source.get(deadline()).await.err().unwrap();
        assert_eq!(error.reason_code(), "no_time_left");
    }
}
