//! What can go wrong between here and the chain, as types.

use std::time::Duration;

use thiserror::Error;

use crate::{EndpointLabel, TransactionFailure};

/// Why an RPC operation has no answer. Endpoints are named by scheme, host and port only.
#[derive(Debug, Error)]
pub enum ChainError {
    /// A pool needs somewhere to send requests.
    #[error("no RPC endpoint is configured; give at least one")]
    NoEndpoints,
    /// An address that no request can be sent to.
    #[error("RPC endpoint {index}: its {field} address is not usable: {reason}")]
    InvalidEndpoint {
        /// Position in the configured list, from 0.
        index: usize,
        /// `http` or `ws`.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be built (no TLS roots, for example).
    #[error("the HTTP client could not be built: {reason}")]
    HttpClient {
        /// The HTTP library's account of it.
        reason: String,
    },
    /// An endpoint belongs to another cluster than the first one that answered.
    #[error(
        "{endpoint} is on the cluster with genesis {found}, the others are on {expected}; remove it from the endpoints"
    )]
    WrongCluster {
        /// The endpoint that differs.
        endpoint: EndpointLabel,
        /// Genesis hash of the cluster in use.
        expected: String,
        /// Genesis hash of this endpoint.
        found: String,
    },
    /// HTTP 429.
    #[error("{endpoint} limits the rate of requests{}", after(*.retry_after))]
    RateLimited {
        /// Who said so.
        endpoint: EndpointLabel,
        /// Its `Retry-After`, if it sent one.
        retry_after: Option<Duration>,
    },
    /// No connection, a broken one, or HTTP 5xx.
    #[error("{endpoint} is unavailable: {reason}")]
    Unavailable {
        /// The endpoint.
        endpoint: EndpointLabel,
        /// HTTP status or connection error.
        reason: String,
    },
    /// No answer in time. Whether the request had an effect is unknown.
    #[error("{endpoint} did not answer within {} ms", .after.as_millis())]
    TimedOut {
        /// The endpoint.
        endpoint: EndpointLabel,
        /// How long was waited.
        after: Duration,
    },
    /// Every endpoint is resting, by its circuit breaker or its own `Retry-After`: nothing was sent.
    #[error("no RPC endpoint may be called at the moment; the first is tried again in {} ms", .retry_after.as_millis())]
    Resting {
        /// Until the first endpoint may be tried again.
        retry_after: Duration,
    },
    /// The caller's deadline left no time for another try.
    #[error("the deadline came before {method} succeeded{}", because(.last.as_deref()))]
    DeadlineReached {
        /// The operation.
        method: &'static str,
        /// What the last try said, if there was one.
        last: Option<Box<ChainError>>,
    },
    /// JSON-RPC -32005: the node is behind the cluster.
    #[error("{endpoint} is behind the cluster{}", slots(*.slots_behind))]
    NodeBehind {
        /// The endpoint.
        endpoint: EndpointLabel,
        /// By so many slots, if it said.
        slots_behind: Option<u64>,
    },
    /// JSON-RPC -32016: the node hasn't reached the slot that was asked for.
    #[error("{endpoint} has not reached the requested minimum context slot")]
    MinContextSlotNotReached {
        /// The endpoint.
        endpoint: EndpointLabel,
    },
    /// JSON-RPC -32004 or -32014: the block is not there yet.
    #[error("{endpoint} does not have the block yet (code {code})")]
    BlockNotAvailable {
        /// The endpoint.
        endpoint: EndpointLabel,
        /// -32004 or -32014.
        code: i64,
    },
    /// JSON-RPC -32007 or -32009: no block was made in that slot, which is an answer.
    #[error("the slot was skipped (code {code})")]
    SlotSkipped {
        /// -32007 or -32009.
        code: i64,
    },
    /// JSON-RPC -32015: the request admits fewer transaction versions than the chain has.
    #[error(
        "the transaction's version is above maxSupportedTransactionVersion (code -32015): this client must be updated"
    )]
    UnsupportedTransactionVersion,
    /// JSON-RPC -32002: the transaction failed when the node simulated it; nothing was sent on.
    #[error("the node's simulation refused the transaction: {failure}")]
    PreflightFailed {
        /// Why.
        failure: TransactionFailure,
        /// The program logs.
        logs: Vec<String>,
    },
    /// Any other JSON-RPC error.
    #[error("{endpoint} answered with JSON-RPC error {code}: {message}")]
    Rpc {
        /// The endpoint.
        endpoint: EndpointLabel,
        /// The JSON-RPC code.
        code: i64,
        /// The node's words, for people only.
        message: String,
    },
    /// An HTTP status under 500 that is neither success nor 429: a wrong key, path or body.
    #[error("{endpoint} refused the request with HTTP status {status}; check the address and its key")]
    Refused {
        /// The endpoint.
        endpoint: EndpointLabel,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that is not what the method promises.
    #[error("{endpoint} answered with something else than the method's reply: {reason}")]
    MalformedReply {
        /// The endpoint.
        endpoint: EndpointLabel,
        /// What could not be read.
        reason: String,
    },
    /// The request could not be made on this side.
    #[error("the request could not be made: {reason}")]
    InvalidRequest {
        /// What the client library said.
        reason: String,
    },
}

/// Whether the same call may succeed later, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryability {
    /// Yes, after a backoff of the caller's choice.
    Backoff,
    /// Yes, not sooner than this.
    After(Duration),
    /// No: the same call has the same answer.
    Never,
}

impl ChainError {
    /// Whether the same call may succeed later, decided by the variant alone.
    #[must_use]
    pub fn retryability(&self) -> Retryability {
        match self {
            Self::RateLimited {
                retry_after: Some(after),
                ..
            }
            | Self::Resting { retry_after: after } => Retryability::After(*after),
            Self::DeadlineReached { last: Some(last), .. } => match last.retryability() {
                Retryability::Never => Retryability::Backoff,
                known => known,
            },
            Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::DeadlineReached { .. }
            | Self::NodeBehind { .. }
            | Self::MinContextSlotNotReached { .. }
            | Self::BlockNotAvailable { .. }
            | Self::WrongCluster { .. }
            | Self::MalformedReply { .. } => Retryability::Backoff,
            Self::Rpc { code, .. } if is_servers_own(*code) => Retryability::Backoff,
            Self::NoEndpoints
            | Self::InvalidEndpoint { .. }
            | Self::HttpClient { .. }
            | Self::SlotSkipped { .. }
            | Self::UnsupportedTransactionVersion
            | Self::PreflightFailed { .. }
            | Self::Rpc { .. }
            | Self::Refused { .. }
            | Self::InvalidRequest { .. } => Retryability::Never,
        }
    }

    /// Whether the endpoint is to blame, so that another one may do better at once.
    #[must_use]
    pub fn blames_endpoint(&self) -> bool {
        if let Self::Rpc { code, .. } = self {
            return is_servers_own(*code) || [METHOD_NOT_FOUND, HISTORY_NOT_AVAILABLE].contains(code);
        }
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Unavailable { .. }
                | Self::TimedOut { .. }
                | Self::NodeBehind { .. }
                | Self::MinContextSlotNotReached { .. }
                | Self::BlockNotAvailable { .. }
                | Self::UnsupportedTransactionVersion
                | Self::WrongCluster { .. }
                | Self::Refused { .. }
                | Self::MalformedReply { .. }
        )
    }

    /// Whether no node served the request for reasons that lie with the nodes, the way to them or the time, and never with
    /// the request: all that helps is to wait.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Resting { .. } | Self::DeadlineReached { last: None, .. } => true,
            Self::DeadlineReached { last: Some(last), .. } => last.is_outage(),
            other => other.blames_endpoint(),
        }
    }

    /// Whether the request may have had its effect although no answer came.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Unavailable { .. } | Self::MalformedReply { .. } => true,
            Self::DeadlineReached { last, .. } => last.as_deref().is_some_and(Self::is_ambiguous),
            _ => false,
        }
    }

    /// Name of the outcome in metrics.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::NoEndpoints | Self::InvalidEndpoint { .. } | Self::HttpClient { .. } => "misconfigured",
            Self::WrongCluster { .. } => "wrong_cluster",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::TimedOut { .. } => "timed_out",
            Self::Resting { .. } => "resting",
            Self::DeadlineReached { .. } => "deadline_reached",
            Self::NodeBehind { .. } => "node_behind",
            Self::MinContextSlotNotReached { .. } => "min_context_slot_not_reached",
            Self::BlockNotAvailable { .. } => "block_not_available",
            Self::SlotSkipped { .. } => "slot_skipped",
            Self::UnsupportedTransactionVersion => "unsupported_transaction_version",
            Self::PreflightFailed { .. } => "preflight_failed",
            Self::Rpc { .. } => "rpc_error",
            Self::Refused { .. } => "refused",
            Self::MalformedReply { .. } => "malformed_reply",
            Self::InvalidRequest { .. } => "invalid_request",
        }
    }
}

/// JSON-RPC 2.0's code for a server that failed by its own fault.
const INTERNAL_ERROR: i64 = -32_603;
/// JSON-RPC 2.0's code for a method that this server does not have; another one may.
const METHOD_NOT_FOUND: i64 = -32_601;
/// Agave's code for a node without the history that was asked for; another one may have it.
const HISTORY_NOT_AVAILABLE: i64 = -32_011;
/// JSON-RPC 2.0 keeps these codes for itself and for the methods' own errors; any other is a provider's.
const RESERVED: std::ops::RangeInclusive<i64> = -32_768..=-32_000;

/// Whether the server failed for reasons that lie with it and not with the request.
fn is_servers_own(code: i64) -> bool {
    code == INTERNAL_ERROR || !RESERVED.contains(&code)
}

fn after(retry_after: Option<Duration>) -> String {
    retry_after
        .map(|after| format!("; it asks for {} ms of rest", after.as_millis()))
        .unwrap_or_default()
}

fn because(last: Option<&ChainError>) -> String {
    last.map(|error| format!("; the last try: {error}")).unwrap_or_default()
}

fn slots(behind: Option<u64>) -> String {
    behind.map(|slots| format!(" by {slots} slots")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

    fn endpoint() -> EndpointLabel {
        let (http, ws) = ("http://127.0.0.1:1".to_owned(), "ws://127.0.0.1:2".to_owned());
        Endpoint { http, ws }.label()
    }

    fn rpc(code: i64) -> ChainError {
        let message = String::new();
        ChainError::Rpc {
            endpoint: endpoint(),
            code,
            message,
        }
    }

    #[test]
    fn an_outage_is_whatever_says_nothing_of_the_request() {
        let (reason, retry_after) = (String::new(), Duration::from_secs(1));
        let outages = [
            ChainError::Resting { retry_after },
            ChainError::DeadlineReached {
                method: "getSlot",
                last: None,
            },
            ChainError::RateLimited {
                endpoint: endpoint(),
                retry_after: None,
            },
            ChainError::Unavailable {
                endpoint: endpoint(),
                reason: reason.clone(),
            },
            ChainError::TimedOut {
                endpoint: endpoint(),
                after: retry_after,
            },
            ChainError::NodeBehind {
                endpoint: endpoint(),
                slots_behind: None,
            },
            ChainError::MinContextSlotNotReached { endpoint: endpoint() },
            ChainError::Refused {
                endpoint: endpoint(),
                status: 401,
            },
            ChainError::MalformedReply {
                endpoint: endpoint(),
                reason: reason.clone(),
            },
            rpc(INTERNAL_ERROR),
            rpc(-1),
        ];
        for error in outages {
            assert!(error.is_outage(), "{error}");
            let cut_off = ChainError::DeadlineReached {
                method: "getSlot",
                last: Some(Box::new(error)),
            };
            assert!(cut_off.is_outage(), "{cut_off}");
        }
        for answer in [
            rpc(-32_602),
            ChainError::SlotSkipped { code: -32_007 },
            ChainError::InvalidRequest { reason },
            ChainError::NoEndpoints,
        ] {
            assert!(!answer.is_outage(), "{answer}");
        }
    }
}
