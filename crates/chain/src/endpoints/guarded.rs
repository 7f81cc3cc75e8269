//! One endpoint with what is known of it: whether it may be called, how fast it answers, which cluster it serves.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use solana_client::nonblocking::rpc_client::RpcClient;
use solana_client::rpc_client::RpcClientConfig;
use solana_commitment_config::CommitmentConfig;
use tokio::time::Instant;

use crate::endpoints::breaker::Breaker;
use crate::endpoints::pace::Pace;
use crate::endpoints::sender::Sender;
use crate::{ChainError, Endpoint, EndpointLabel};

/// An endpoint behind its circuit breaker.
pub(super) struct Guarded {
    pub(super) endpoint: Endpoint,
    pub(super) label: EndpointLabel,
    pub(super) client: Arc<RpcClient>,
    pub(super) genesis: OnceLock<String>,
    breaker: Mutex<Breaker>,
    pace: Mutex<Pace>,
}

impl Guarded {
    pub(super) fn new(endpoint: Endpoint, sender: Sender, commitment: CommitmentConfig) -> Self {
        let config = RpcClientConfig::with_commitment(commitment);
        Self {
            label: endpoint.label(),
            endpoint,
            client: Arc::new(RpcClient::new_sender(sender, config)),
            genesis: OnceLock::new(),
            breaker: Mutex::default(),
            pace: Mutex::default(),
        }
    }

    /// How long to wait for its answer before another endpoint is asked as well.
    pub(super) fn patience(&self, request_timeout: Duration) -> Duration {
        self.pace().patience(request_timeout)
    }

    /// Tells the circuit how a request ended. A caller that had less time than a request may take was `impatient`.
    pub(super) fn heard(&self, error: Option<&ChainError>, impatient: bool, now: Instant) {
        match error {
            Some(ChainError::TimedOut { .. }) if impatient => {}
            Some(ChainError::RateLimited {
                retry_after: Some(after),
                ..
            }) => self.breaker().rest(now, *after),
            Some(
                ChainError::RateLimited { .. }
                | ChainError::Unavailable { .. }
                | ChainError::TimedOut { .. }
                | ChainError::Refused { .. },
            ) => self.breaker().failed(now),
            _ => self.breaker().succeeded(),
        }
    }

    /// The breaker is a few numbers that are never left half changed, so a poisoned lock is as good as any.
    pub(super) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. Dropped without an answer because another endpoint was faster, it counts as a failure if it had
/// taken longer than it nearly always does: an endpoint that says nothing is found out without waiting for it.
pub(super) struct UnderWay<'a> {
    guarded: &'a Guarded,
    started: Instant,
    patience: Duration,
    answered: bool,
}

impl<'a> UnderWay<'a> {
    pub(super) fn begin(guarded: &'a Guarded, request_timeout: Duration) -> Self {
        Self {
            guarded,
            started: Instant::now(),
            patience: guarded.patience(request_timeout),
            answered: false,
        }
    }

    /// It was answered, or given up by its own limit; only a good answer says how fast the endpoint is.
    pub(super) fn end(mut self, well: bool) {
        self.answered = true;
        if well {
            self.guarded.pace().took(self.started.elapsed());
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        if !self.answered && took > self.patience {
            self.guarded.pace().took(took);
            self.guarded.breaker().failed(Instant::now());
        }
    }
}
