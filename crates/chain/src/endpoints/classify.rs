//! From the client library's error to [`ChainError`], by type and code.

use std::io;
use std::time::Duration;

use session_telemetry::in_full;
use solana_client::client_error::{ClientError, ClientErrorKind, reqwest};
use solana_client::rpc_custom_error as codes;
use solana_client::rpc_request::{RpcError, RpcResponseErrorData};

use crate::endpoints::sender::{Refusal, refusal};
use crate::{ChainError, EndpointLabel, TransactionFailure};

/// Providers' own codes for too many requests, which come under HTTP 200: HTTP's, as it is and negated in JSON-RPC's way.
const RATE_LIMIT_CODES: [i64; 2] = [429, -32_429];

/// Methods to which a skipped slot is an answer.
const ABOUT_A_SLOT: [&str; 2] = ["getBlock", "getBlockTime"];

/// What `error` means. `limit` is how long the request was allowed to take.
pub(crate) fn classify(
    error: ClientError,
    method: &'static str,
    endpoint: &EndpointLabel,
    limit: Duration,
) -> ChainError {
    let endpoint = endpoint.clone();
    match *error.kind {
        ClientErrorKind::Io(error) => classify_io(&error, endpoint),
        ClientErrorKind::Reqwest(error) => classify_http(error, endpoint, limit),
        ClientErrorKind::Middleware(error) => ChainError::Unavailable {
            endpoint,
            reason: error.to_string(),
        },
        ClientErrorKind::RpcError(error) => classify_rpc(error, method, endpoint),
        ClientErrorKind::SerdeJson(error) => ChainError::MalformedReply {
            endpoint,
            reason: error.to_string(),
        },
        ClientErrorKind::TransactionError(error) => ChainError::PreflightFailed {
            failure: TransactionFailure::Known(error),
            logs: Vec::new(),
        },
        ClientErrorKind::SigningError(error) => ChainError::InvalidRequest {
            reason: error.to_string(),
        },
        ClientErrorKind::Custom(reason) => ChainError::InvalidRequest { reason },
    }
}

fn classify_io(error: &io::Error, endpoint: EndpointLabel) -> ChainError {
    match refusal(error) {
        Some(Refusal::Preflight { failure, logs }) => ChainError::PreflightFailed {
            failure: failure.clone(),
            logs: logs.clone(),
        },
        Some(Refusal::Http {
            status: 429,
            retry_after,
        }) => ChainError::RateLimited {
            endpoint,
            retry_after: *retry_after,
        },
        // A server that names the time of its return is treated as one that limits the rate.
        Some(Refusal::Http {
            retry_after: Some(after),
            ..
        }) => ChainError::RateLimited {
            endpoint,
            retry_after: Some(*after),
        },
        Some(Refusal::Http { status, .. }) if *status < 500 => ChainError::Refused {
            endpoint,
            status: *status,
        },
        Some(Refusal::Http { .. }) | None => ChainError::Unavailable {
            endpoint,
            reason: error.to_string(),
        },
    }
}

fn classify_http(error: reqwest::Error, endpoint: EndpointLabel, limit: Duration) -> ChainError {
    let error = error.without_url();
    if error.is_timeout() {
        ChainError::TimedOut { endpoint, after: limit }
    } else if error.is_builder() {
        ChainError::InvalidRequest {
            reason: error.to_string(),
        }
    } else {
        // The outermost says no more than that the request was not sent.
        ChainError::Unavailable {
            endpoint,
            reason: in_full(&error),
        }
    }
}

fn classify_rpc(error: RpcError, method: &str, endpoint: EndpointLabel) -> ChainError {
    match error {
        RpcError::RpcResponseError { code, message, data } => classify_code(code, message, data, method, endpoint),
        RpcError::RpcRequestError(reason) | RpcError::ParseError(reason) | RpcError::ForUser(reason) => {
            ChainError::MalformedReply { endpoint, reason }
        }
    }
}

fn classify_code(
    code: i64,
    message: String,
    data: RpcResponseErrorData,
    method: &str,
    endpoint: EndpointLabel,
) -> ChainError {
    match (code, data) {
        (code, _) if RATE_LIMIT_CODES.contains(&code) => ChainError::RateLimited {
            endpoint,
            retry_after: None,
        },
        // Some providers limit the rate by the code of a skipped slot, which only a question about a slot can have.
        (codes::JSON_RPC_SERVER_ERROR_SLOT_SKIPPED, _) if !ABOUT_A_SLOT.contains(&method) => ChainError::RateLimited {
            endpoint,
            retry_after: None,
        },
        (_, RpcResponseErrorData::NodeUnhealthy { num_slots_behind }) => ChainError::NodeBehind {
            endpoint,
            slots_behind: num_slots_behind,
        },
        (codes::JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY, _) => ChainError::NodeBehind {
            endpoint,
            slots_behind: None,
        },
        (codes::JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED, _) => {
            ChainError::MinContextSlotNotReached { endpoint }
        }
        (
            codes::JSON_RPC_SERVER_ERROR_BLOCK_NOT_AVAILABLE
            | codes::JSON_RPC_SERVER_ERROR_BLOCK_STATUS_NOT_AVAILABLE_YET,
            _,
        ) => ChainError::BlockNotAvailable { endpoint, code },
        (
            codes::JSON_RPC_SERVER_ERROR_SLOT_SKIPPED | codes::JSON_RPC_SERVER_ERROR_LONG_TERM_STORAGE_SLOT_SKIPPED,
            _,
        ) => ChainError::SlotSkipped { code },
        (codes::JSON_RPC_SERVER_ERROR_UNSUPPORTED_TRANSACTION_VERSION, _) => ChainError::UnsupportedTransactionVersion,
        _ => ChainError::Rpc {
            endpoint,
            code,
            message,
        },
    }
}
