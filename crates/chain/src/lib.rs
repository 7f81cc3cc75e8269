//! The way to the chain: several RPC endpoints behaving like one that does not fail.
//!
//! A call goes to the most preferred endpoint whose circuit is closed. What comes back is classified by type and
//! code, never by text ([`ChainError`]), and that type alone decides whether the call is tried again, when, and
//! where. No call runs past its deadline.

mod breaker;
mod classify;
mod endpoint;
mod error;
mod pool;
mod retry;
mod sender;

pub use endpoint::{Endpoint, EndpointLabel};
pub use error::{ChainError, Retryability};
pub use pool::RpcPool;
pub use retry::RetryPolicy;
pub use sender::is_client_refusal;
pub use solana_client::client_error::ClientError;
pub use solana_client::nonblocking::rpc_client::RpcClient;
pub use solana_commitment_config::CommitmentConfig;
