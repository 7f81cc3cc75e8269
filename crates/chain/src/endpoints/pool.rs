//! Several endpoints behind one call.

mod one_try;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use solana_client::client_error::ClientError;
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_commitment_config::CommitmentConfig;
use tokio::time::Instant;

use crate::endpoints::credits::{CreditPrices, Credits};
use crate::endpoints::guarded::Guarded;
use crate::endpoints::sender::{HttpClients, Sender};
use crate::{ChainError, Endpoint, RetryPolicy, Retryability};
use one_try::past_deadline;

/// How long whoever was asked together with the first to answer may still take.
const OTHERS_GRACE: Duration = Duration::from_millis(50);

/// The configured endpoints, in order of preference. Clones share everything.
#[derive(Clone)]
pub struct RpcPool {
    inner: Arc<Inner>,
}

struct Inner {
    endpoints: Vec<Guarded>,
    commitment: CommitmentConfig,
    retry: RetryPolicy,
    request_timeout: Duration,
    calls: Arc<AtomicU64>,
    credits: Credits,
    /// Genesis hash of the cluster in use, once `verify_cluster` was called.
    cluster: OnceLock<String>,
}

impl RpcPool {
    /// A pool over `endpoints`, the preferred one first. Opens no connection.
    ///
    /// `request_timeout` bounds every single request; `retry` bounds an operation.
    ///
    /// # Errors
    /// [`ChainError::NoEndpoints`], [`ChainError::InvalidEndpoint`], [`ChainError::HttpClient`].
    pub fn new(
        endpoints: Vec<Endpoint>,
        commitment: CommitmentConfig,
        retry: RetryPolicy,
        request_timeout: Duration,
    ) -> Result<Self, ChainError> {
        Self::metered(endpoints, commitment, retry, request_timeout, CreditPrices::default())
    }

    /// The same where requests are paid for by these prices.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn metered(
        endpoints: Vec<Endpoint>,
        commitment: CommitmentConfig,
        retry: RetryPolicy,
        request_timeout: Duration,
        prices: CreditPrices,
    ) -> Result<Self, ChainError> {
        if endpoints.is_empty() {
            return Err(ChainError::NoEndpoints);
        }
        let calls = Arc::new(AtomicU64::new(0));
        let credits = Credits::new(prices);
        let http = HttpClients::new(request_timeout)?;
        let guard = |(index, endpoint): (usize, Endpoint)| {
            endpoint.check(index)?;
            let sender = Sender::new(
                http.of(&endpoint.http),
                endpoint.http.clone(),
                Arc::clone(&calls),
                credits.clone(),
            );
            Ok(Guarded::new(endpoint, sender, commitment))
        };
        let endpoints = endpoints
            .into_iter()
            .enumerate()
            .map(guard)
            .collect::<Result<_, ChainError>>()?;
        let cluster = OnceLock::new();
        Ok(Self {
            inner: Arc::new(Inner {
                endpoints,
                commitment,
                retry,
                request_timeout,
                calls,
                credits,
                cluster,
            }),
        })
    }

    /// The commitment that the clients handed to operations use where none is named.
    #[must_use]
    pub fn commitment(&self) -> CommitmentConfig {
        self.inner.commitment
    }

    /// All endpoints, the preferred one first.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.inner
            .endpoints
            .iter()
            .map(|guarded| guarded.endpoint.clone())
            .collect()
    }

    /// The healthy endpoint that comes first in preference; the very first if none is healthy.
    #[must_use]
    pub fn preferred(&self) -> Endpoint {
        let now = Instant::now();
        let healthy = self
            .inner
            .endpoints
            .iter()
            .find(|guarded| guarded.breaker().is_healthy(now));
        healthy.unwrap_or(&self.inner.endpoints[0]).endpoint.clone()
    }

    /// Whether there is nobody else to ask.
    #[must_use]
    pub fn is_one_endpoint(&self) -> bool {
        self.inner.endpoints.len() == 1
    }

    /// How long no endpoint may be called from now on; nothing while one may be.
    #[must_use]
    pub fn rests_for(&self) -> Duration {
        let now = Instant::now();
        let rests = self
            .inner
            .endpoints
            .iter()
            .map(|guarded| guarded.breaker().rests_for(now));
        rests.min().unwrap_or_default()
    }

    /// Requests sent so far, over all endpoints and tries.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// What was spent on them, over all endpoints and tries.
    #[must_use]
    pub fn credits(&self) -> &Credits {
        &self.inner.credits
    }

    /// Runs `op` until it has an answer: on the preferred endpoint whose circuit is closed, on the next one at once
    /// where the endpoint is to blame or takes longer than it nearly always does, and again after a pause where the error's type says that this may help.
    /// A `Retry-After` is honoured. Nothing is awaited past `deadline`.
    ///
    /// `method` names the operation in metrics and errors. `op` should be one request: it has the pool's request
    /// timeout as a whole.
    ///
    /// # Errors
    /// The last try's error; [`ChainError::DeadlineReached`] around it where another try would come too late.
    pub async fn call<T, F, Fut>(&self, method: &'static str, deadline: Option<Instant>, op: F) -> Result<T, ChainError>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        self.insist(method, deadline, 1, op).await
    }

    /// The same on two endpoints at once, for what must not wait for a silent one: the first good answer counts.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub async fn call_two<T, F, Fut>(
        &self,
        method: &'static str,
        deadline: Option<Instant>,
        op: F,
    ) -> Result<T, ChainError>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        self.insist(method, deadline, 2, op).await
    }

    async fn insist<T, F, Fut>(
        &self,
        method: &'static str,
        deadline: Option<Instant>,
        at_once: usize,
        op: F,
    ) -> Result<T, ChainError>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let mut delays = self.inner.retry.delays();
        loop {
            let error = match self.round(method, deadline, at_once, &op).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = match (error.retryability(), delays.next()) {
                (Retryability::Never, _) | (_, None) => return Err(error),
                (Retryability::After(asked), Some(delay)) => asked.max(delay),
                (Retryability::Backoff, Some(delay)) => delay,
            };
            if deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
                return Err(past_deadline(method, error));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Runs `op` once on every endpoint at the same time: one answer each, in order of preference.
    pub async fn on_each<T, F, Fut>(
        &self,
        method: &'static str,
        deadline: Option<Instant>,
        op: F,
    ) -> Vec<Result<T, ChainError>>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let op = &op;
        join_all(self.inner.endpoints.iter().map(|guarded| async move {
            guarded
                .breaker()
                .admit(Instant::now())
                .map_err(|retry_after| ChainError::Resting { retry_after })?;
            self.ask(guarded, method, deadline, op).await
        }))
        .await
    }

    /// Makes sure that all endpoints serve one cluster. An endpoint that is down now is asked before its first use.
    ///
    /// # Errors
    /// [`ChainError::WrongCluster`] names the endpoint that differs; any other error if no endpoint answers.
    pub async fn verify_cluster(&self, deadline: Option<Instant>) -> Result<String, ChainError> {
        let expected = self
            .call("getGenesisHash", deadline, |client| async move {
                client.get_genesis_hash().await
            })
            .await?
            .to_string();
        let expected = self.inner.cluster.get_or_init(|| expected);
        let checks = self
            .inner
            .endpoints
            .iter()
            .map(|guarded| self.check_cluster(guarded, deadline));
        for check in join_all(checks).await {
            match check {
                Err(error @ ChainError::WrongCluster { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "an RPC endpoint's cluster is not known yet"),
                Ok(()) => {}
            }
        }
        Ok(expected.clone())
    }

    /// Every admitted endpoint, until one gives an answer that isn't its own fault: `at_once` of them together, and the
    /// next one as soon as one has failed, or takes longer than it nearly always does.
    async fn round<T, F, Fut>(
        &self,
        method: &'static str,
        deadline: Option<Instant>,
        at_once: usize,
        op: &F,
    ) -> Result<T, ChainError>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let mut candidates = self.inner.endpoints.iter();
        let mut shortest_rest = Duration::MAX;
        let mut next = |shortest_rest: &mut Duration| {
            candidates.find(|guarded| match guarded.breaker().admit(Instant::now()) {
                Ok(()) => true,
                Err(rest) => {
                    *shortest_rest = rest.min(*shortest_rest);
                    false
                }
            })
        };
        let mut asked = FuturesUnordered::new();
        let mut last = None;
        let mut patience = Duration::ZERO;
        let mut wanted = at_once.max(1);
        loop {
            while asked.len() < wanted {
                let Some(guarded) = next(&mut shortest_rest) else {
                    wanted = asked.len();
                    break;
                };
                patience = guarded.patience(self.inner.request_timeout);
                asked.push(self.ask(guarded, method, deadline, op));
            }
            tokio::select! {
                biased;
                Some(answer) = asked.next() => match answer {
                    Err(error) if error.blames_endpoint() => last = Some(error),
                    answer => {
                        // What goes to two is meant for both: the other request is not torn off on its way.
                        if at_once > 1 {
                            let others = async { while asked.next().await.is_some() {} };
                            let _ = tokio::time::timeout(OTHERS_GRACE, others).await;
                        }
                        return answer;
                    }
                },
                () = tokio::time::sleep(patience), if asked.len() == wanted && !asked.is_empty() => wanted += 1,
                else => break,
            }
        }
        Err(last.unwrap_or(ChainError::Resting {
            retry_after: shortest_rest,
        }))
    }
}
