//! Where the handler's engine comes from: it is there, or it starts when the first record needs it.
//!
//! Most of what a function concludes needs no chain: bodies that are no messages, sessions that ask for no account, claims
//! that break the rules. While the chain cannot be reached these are concluded all the same, and every record that needs
//! the engine has the reason for its own.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use session_engine::{CreationError, Deferral, Engine, Policy};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

/// Starts an engine before a deadline, or says by then why every request has to wait.
pub type Start = Box<dyn Fn(Instant) -> BoxFuture<'static, Result<Arc<Engine>, CreationError>> + Send + Sync>;

/// A start that has not ended by its deadline has so long to say why, before it is cut off without a reason.
const REASON_TIME: Duration = Duration::from_millis(50);

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
        // It knows what it waits for, so its own time ends first.
        let by = deadline.checked_sub(REASON_TIME).unwrap_or(deadline);
        let started = later.started.get_or_try_init(|| (later.start)(by));
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
    use std::sync::atomic::{AtomicU32, Ordering};

    use session_chain::{CommitmentConfig, Endpoint, RetryPolicy, RpcPool};
    use session_engine::{EngineConfig, SignerPool};
    use session_ledger::InMemoryLedger;
    use solana_sdk::signature::Keypair;
    use tokio::net::TcpListener;

    use super::*;

    fn deadline() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[tokio::test]
    async fn an_engine_that_cannot_start_is_every_requests_reason_and_is_tried_again() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let start: Start = Box::new(move |_| {
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

    /// The address of a node that takes connections, and says nothing.
    async fn silent_node() -> Endpoint {
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = node.local_addr().unwrap();
        tokio::spawn(async move {
            let mut heard = Vec::new();
            while let Ok((connection, _)) = node.accept().await {
                heard.push(connection);
            }
        });
        Endpoint {
            http: format!("http://{address}"),
            ws: format!("ws://{address}"),
        }
    }

    #[tokio::test]
    async fn a_node_that_is_silent_for_longer_than_an_invocation_is_the_reason_within_it() {
        let pool = RpcPool::new(
            vec![silent_node().await],
            CommitmentConfig::confirmed(),
            RetryPolicy::default(),
            Duration::from_secs(5),
        );
        let (pool, wallet) = (pool.unwrap(), Keypair::new());
        let start: Start = Box::new(move |deadline| {
            let (pool, wallet) = (pool.clone(), wallet.insecure_clone());
            Box::pin(async move {
                let signers = SignerPool::of_keypairs(vec![wallet]).unwrap();
                let ledger = Arc::new(InMemoryLedger::default());
                let started = Engine::start_by(EngineConfig::default(), pool, signers, ledger, deadline).await;
                Ok(Arc::new(started?))
            })
        });
        let source = EngineSource::later(Policy::default(), start);
        for invocation in 1..=2 {
            let deadline = Instant::now() + Duration::from_millis(300);
            let error = source.get(deadline).await.err().unwrap();
            assert!(Instant::now() < deadline, "the answer has to leave in time");
            assert_eq!(error.reason_code(), "no_node", "in invocation {invocation}: {error}");
        }
    }

    #[tokio::test]
    async fn a_start_that_takes_too_long_leaves_time_for_the_answer() {
        let source = EngineSource::later(Policy::default(), Box::new(|_| Box::pin(std::future::pending())));
        let error = source.get(deadline()).await.err().unwrap();
        assert_eq!(error.reason_code(), "no_time_left");
    }
}
