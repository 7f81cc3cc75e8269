//! The way to the chain: several RPC endpoints behaving like one that does not fail, and what is known of the cluster
//! behind them.
//!
//! The endpoints send a call to the most preferred endpoint whose circuit is closed. What comes back is classified by
//! type and code, never by text ([`ChainError`]), and that type alone decides whether the call is tried again, when,
//! and where. No call runs past its deadline. [`replies`] read what the methods answer, tolerantly: only the fields
//! that are used. [`cluster`] keeps what changes under a running service: rent, slot time, transaction formats.

pub mod cluster;
mod endpoints;
pub mod replies;
mod settings;

pub use cluster::{Cluster, RentRate};
pub use endpoints::{
    ChainError, CreditPrices, Credits, Endpoint, EndpointLabel, RetryPolicy, Retryability, RpcPool, proves_not_sent,
};
pub use replies::{AccountState, TransactionFailure};
pub use settings::{rpc_pool, rpc_pool_of};
pub use solana_client::client_error::ClientError;
pub use solana_client::nonblocking::rpc_client::RpcClient;
pub use solana_commitment_config::CommitmentConfig;
