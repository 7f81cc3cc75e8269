//! One request on one endpoint: within its time, to the right cluster, its end told to the circuit and to metrics.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use session_telemetry::names;
use solana_client::client_error::ClientError;
use solana_client::nonblocking::rpc_client::RpcClient;
use tokio::time::Instant;

use super::RpcPool;
use crate::ChainError;
use crate::endpoints::classify::classify;
use crate::endpoints::guarded::{Guarded, UnderWay};

impl RpcPool {
    pub(super) async fn ask<T, F, Fut>(
        &self,
        guarded: &Guarded,
        method: &'static str,
        deadline: Option<Instant>,
        op: &F,
    ) -> Result<T, ChainError>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        self.check_cluster(guarded, deadline).await?;
        self.try_on(guarded, method, deadline, op).await
    }

    async fn try_on<T, F, Fut>(
        &self,
        guarded: &Guarded,
        method: &'static str,
        deadline: Option<Instant>,
        op: &F,
    ) -> Result<T, ChainError>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let time_left = deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if time_left.is_zero() {
            return Err(ChainError::DeadlineReached { method, last: None });
        }
        let limit = time_left.min(self.inner.request_timeout);
        let under_way = UnderWay::begin(guarded, self.inner.request_timeout);
        let answer = match tokio::time::timeout(limit, op(Arc::clone(&guarded.client))).await {
            Ok(answer) => answer.map_err(|error| classify(error, method, &guarded.label, limit)),
            Err(_) => Err(ChainError::TimedOut {
                endpoint: guarded.label.clone(),
                after: limit,
            }),
        };
        under_way.end(answer.is_ok());
        // A caller that had less time than a request may take says nothing about the endpoint.
        let impatient = limit < self.inner.request_timeout && matches!(answer, Err(ChainError::TimedOut { .. }));
        self.record(guarded, method, answer.as_ref().err(), impatient);
        match answer {
            Err(error @ ChainError::TimedOut { .. }) if limit == time_left => Err(past_deadline(method, error)),
            answer => answer,
        }
    }

    /// Refuses an endpoint of another cluster than the one in use, as soon as that one is known.
    pub(super) async fn check_cluster(&self, guarded: &Guarded, deadline: Option<Instant>) -> Result<(), ChainError> {
        let Some(expected) = self.inner.cluster.get() else {
            return Ok(());
        };
        if guarded.genesis.get().is_none() {
            let ask = |client: Arc<RpcClient>| async move { client.get_genesis_hash().await };
            let found = self.try_on(guarded, "getGenesisHash", deadline, &ask).await?;
            guarded.genesis.get_or_init(|| found.to_string());
        }
        match guarded.genesis.get() {
            Some(found) if found != expected => Err(ChainError::WrongCluster {
                endpoint: guarded.label.clone(),
                expected: expected.clone(),
                found: found.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Tells the endpoint's circuit and the metrics how a request ended.
    fn record(&self, guarded: &Guarded, method: &'static str, error: Option<&ChainError>, impatient: bool) {
        let now = Instant::now();
        guarded.heard(error, impatient, now);
        if matches!(error, Some(ChainError::RateLimited { .. })) {
            counter!(names::RPC_RATE_LIMITED_TOTAL).increment(1);
        }
        let outcome = error.map_or("ok", ChainError::outcome);
        counter!(names::RPC_REQUESTS_TOTAL, "method" => method, "outcome" => outcome).increment(1);
        let connected = self
            .inner
            .endpoints
            .iter()
            .any(|guarded| guarded.breaker().is_healthy(now));
        gauge!(names::RPC_CONNECTION_STATUS).set(if connected { 1.0 } else { 0.0 });
    }
}

/// That another try would come too late, with what the last one said.
pub(super) fn past_deadline(method: &'static str, last: ChainError) -> ChainError {
    match last {
        already @ ChainError::DeadlineReached { .. } => already,
        last => ChainError::DeadlineReached {
            method,
            last: Some(Box::new(last)),
        },
    }
}
