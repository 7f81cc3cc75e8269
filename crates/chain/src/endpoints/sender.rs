//! The HTTP transport under the Solana client.
//!
//! The client library's own transport sleeps up to five times 120 s inside a request when it is rate limited, and
//! keeps the `Retry-After` to itself. This one reports every HTTP refusal at once, typed, so that the pool decides.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use solana_client::client_error::reqwest::{self, Client, ClientBuilder, Response, StatusCode, header};
use solana_client::client_error::{ClientError, Result};
use solana_client::rpc_custom_error::{
    JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY, JSON_RPC_SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
};
use solana_client::rpc_request::{RpcError, RpcRequest, RpcResponseErrorData};
use solana_client::rpc_sender::{RpcSender, RpcTransportStats};
use thiserror::Error;

use crate::ChainError;
use crate::endpoints::credits::Credits;
use crate::replies::{SimulationReply, TransactionFailure};

/// A `Retry-After` above this is taken for a mistake of the server.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(2);

/// What the client library's errors have no room for. Travels inside them as an `io::Error` and is taken out by type.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// An HTTP status that is no success.
    #[error("HTTP status {status}")]
    Http { status: u16, retry_after: Option<Duration> },
    /// The node simulated a transaction before sending it on, and it failed.
    #[error("the node's simulation refused the transaction: {failure}")]
    Preflight {
        failure: TransactionFailure,
        logs: Vec<String>,
    },
}

pub(crate) fn refusal(error: &io::Error) -> Option<&Refusal> {
    error.get_ref()?.downcast_ref()
}

/// Sends one JSON-RPC request as one HTTP request.
pub(crate) struct Sender {
    client: Client,
    url: String,
    next_id: AtomicU64,
    calls: Arc<AtomicU64>,
    credits: Credits,
}

#[derive(Deserialize)]
struct Reply {
    error: Option<ErrorObject>,
    #[serde(default)]
    result: Value,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

/// The connections of one pool, shared by its senders.
pub(crate) struct HttpClients {
    /// Goes by the environment's proxy variables (`HTTPS_PROXY`, `NO_PROXY` and so on).
    by_environment: Client,
    /// Never goes through a proxy.
    direct: Client,
}

impl HttpClients {
    pub(crate) fn new(request_timeout: Duration) -> std::result::Result<Self, ChainError> {
        let build = |builder: ClientBuilder| {
            let built = builder.timeout(request_timeout).build();
            built.map_err(|error| ChainError::HttpClient {
                reason: error.to_string(),
            })
        };
        Ok(Self {
            by_environment: build(Client::builder())?,
            direct: build(Client::builder().no_proxy())?,
        })
    }

    /// The client for an address. One of this machine is never asked of a proxy, which would look for it on its own.
    pub(crate) fn of(&self, url: &str) -> Client {
        if is_loopback(url) {
            &self.direct
        } else {
            &self.by_environment
        }
        .clone()
    }
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    // An IPv6 address stands in brackets.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Sender {
    pub(crate) fn new(client: Client, url: String, calls: Arc<AtomicU64>, credits: Credits) -> Self {
        Self {
            client,
            url,
            next_id: AtomicU64::new(0),
            calls,
            credits,
        }
    }

    async fn post(&self, body: String) -> Result<Response> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let response = request.send().await.map_err(without_address)?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(http_refusal(&response))
        }
    }
}

#[async_trait]
impl RpcSender for Sender {
    async fn send(&self, request: RpcRequest, params: Value) -> Result<Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.credits.requested(&request.to_string(), &params);
        let response = self.post(request.build_request_json(id, params).to_string()).await?;
        let body = response.bytes().await.map_err(without_address)?;
        let reply: Reply = serde_json::from_slice(&body)?;
        match reply.error {
            None => Ok(reply.result),
            Some(error) => Err(rpc_error(error)),
        }
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        self.url.clone()
    }
}

/// The address may carry an API key and errors end in logs.
fn without_address(error: reqwest::Error) -> ClientError {
    error.without_url().into()
}

fn http_refusal(response: &Response) -> ClientError {
    let status = response.status();
    let retry_after = (status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE)
        .then(|| retry_after(response))
        .flatten();
    io::Error::other(Refusal::Http {
        status: status.as_u16(),
        retry_after,
    })
    .into()
}

/// `Retry-After` in seconds, the form that RPC providers send.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response
        .headers()
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

fn rpc_error(error: ErrorObject) -> ClientError {
    let ErrorObject { code, message, data } = error;
    let data = match code {
        JSON_RPC_SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE => match preflight_failure(data) {
            Some(refusal) => return io::Error::other(refusal).into(),
            None => RpcResponseErrorData::Empty,
        },
        JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY => match data.get("numSlotsBehind") {
            Some(behind) => RpcResponseErrorData::NodeUnhealthy {
                num_slots_behind: behind.as_u64(),
            },
            None => RpcResponseErrorData::Empty,
        },
        _ => RpcResponseErrorData::Empty,
    };
    RpcError::RpcResponseError { code, message, data }.into()
}

fn preflight_failure(data: Value) -> Option<Refusal> {
    let reply: SimulationReply = serde_json::from_value(data).ok()?;
    Some(Refusal::Preflight {
        failure: reply.failure()?,
        logs: reply.logs.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_never_behind_a_proxy() {
        for url in [
            "http://127.0.0.1:8899",
            "http://localhost/",
            "http://[::1]:8899/",
            "http://127.8.8.8",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://rpc.example",
            "http://localhost.example",
            "http://10.0.0.1:8899",
            "nonsense",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
