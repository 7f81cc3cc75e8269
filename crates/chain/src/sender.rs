//! The HTTP transport under the Solana client.
//!
//! The client library's own transport sleeps up to five times 120 s inside a request when it is rate limited, and
//! keeps the `Retry-After` to itself. This one reports every HTTP refusal at once, typed, so that the pool decides.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use solana_client::client_error::reqwest::{self, Client, Response, StatusCode, header};
use solana_client::client_error::{ClientError, Result};
use solana_client::rpc_custom_error::{
    JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY, JSON_RPC_SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
    NodeUnhealthyErrorData,
};
use solana_client::rpc_request::{RpcError, RpcRequest, RpcResponseErrorData};
use solana_client::rpc_sender::{RpcSender, RpcTransportStats};
use thiserror::Error;

use crate::ChainError;

/// A `Retry-After` above this is taken for a mistake of the server.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(2);

/// An HTTP status that is no success. Travels inside the client library's error as an `io::Error` and is taken out
/// of it by type.
#[derive(Debug, Error)]
#[error("HTTP status {status}")]
pub(crate) struct HttpRefusal {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
}

/// Whether `error` is an HTTP status under 500: the server read the request and did not act on it.
#[must_use]
pub fn is_client_refusal(error: &io::Error) -> bool {
    http_refusal(error).is_some_and(|refusal| refusal.status < 500)
}

pub(crate) fn http_refusal(error: &io::Error) -> Option<&HttpRefusal> {
    error.get_ref()?.downcast_ref()
}

/// Sends one JSON-RPC request as one HTTP request.
pub(crate) struct Sender {
    client: Client,
    url: String,
    next_id: AtomicU64,
    calls: Arc<AtomicU64>,
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
    message: String,
    #[serde(default)]
    data: Value,
}

/// The connections of one pool, shared by its senders.
pub(crate) fn http_client(request_timeout: Duration) -> std::result::Result<Client, ChainError> {
    Client::builder()
        .timeout(request_timeout)
        .build()
        .map_err(|error| ChainError::HttpClient {
            reason: error.to_string(),
        })
}

impl Sender {
    pub(crate) fn new(client: Client, url: String, calls: Arc<AtomicU64>) -> Self {
        Self {
            client,
            url,
            next_id: AtomicU64::new(0),
            calls,
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
            Err(refusal(&response))
        }
    }
}

#[async_trait]
impl RpcSender for Sender {
    async fn send(&self, request: RpcRequest, params: Value) -> Result<Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let response = self.post(request.build_request_json(id, params).to_string()).await?;
        let body = response.bytes().await.map_err(without_address)?;
        let reply: Reply = serde_json::from_slice(&body)?;
        match reply.error {
            None => Ok(reply.result),
            Some(error) => Err(rpc_error(error).into()),
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

fn refusal(response: &Response) -> ClientError {
    let status = response.status();
    let retry_after = (status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE)
        .then(|| retry_after(response))
        .flatten();
    io::Error::other(HttpRefusal {
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

fn rpc_error(error: ErrorObject) -> RpcError {
    let data = match error.code {
        JSON_RPC_SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE => serde_json::from_value(error.data).map_or(
            RpcResponseErrorData::Empty,
            RpcResponseErrorData::SendTransactionPreflightFailure,
        ),
        JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY => serde_json::from_value(error.data).map_or(
            RpcResponseErrorData::Empty,
            |NodeUnhealthyErrorData { num_slots_behind }| RpcResponseErrorData::NodeUnhealthy { num_slots_behind },
        ),
        _ => RpcResponseErrorData::Empty,
    };
    RpcError::RpcResponseError {
        code: error.code,
        message: error.message,
        data,
    }
}
