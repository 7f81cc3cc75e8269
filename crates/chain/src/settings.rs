//! From the settings to the endpoints: the one place where a pool is made of them.

use session_config::{Commitment, Settings};
use solana_commitment_config::CommitmentConfig;

use crate::{ChainError, CreditPrices, Endpoint, RetryPolicy, RpcPool};

/// The configured RPC endpoints in their order of preference.
///
/// # Errors
/// [`ChainError`] names the endpoint that is unusable.
pub fn rpc_pool(settings: &Settings) -> Result<RpcPool, ChainError> {
    let rpc = &settings.rpc;
    let socket = rpc.ws_url.as_ref().map_or(rpc.url.websocket(), |url| url.expose());
    let first = Endpoint {
        http: rpc.url.expose().to_owned(),
        ws: socket.to_owned(),
    };
    let others = rpc.fallback_urls.iter().map(|url| Endpoint {
        http: url.expose().to_owned(),
        ws: url.websocket().to_owned(),
    });
    rpc_pool_of(settings, std::iter::once(first).chain(others).collect())
}

/// The same for other endpoints than the configured ones.
///
/// # Errors
/// [`ChainError`] names the endpoint that is unusable.
pub fn rpc_pool_of(settings: &Settings, endpoints: Vec<Endpoint>) -> Result<RpcPool, ChainError> {
    let Settings { rpc, retry, .. } = settings;
    let commitment = match rpc.commitment {
        Commitment::Confirmed => CommitmentConfig::confirmed(),
        Commitment::Finalized => CommitmentConfig::finalized(),
    };
    let retry = RetryPolicy {
        max_tries: retry.max_retries,
        initial_delay: retry.initial_delay,
        max_delay: retry.max_delay,
    };
    let prices = CreditPrices {
        by_method: rpc.credits.clone(),
        budget_per_hour: rpc.credits_per_hour,
    };
    RpcPool::metered(endpoints, commitment, retry, rpc.request_timeout, prices)
}
