//! The endpoints: where they are, whether they may be called, what their answers prove, and when to ask again.
//!
//! Owns every connection, the circuit of each endpoint and the classification of errors. Knows nothing of what is asked:
//! methods and their replies are the callers' ([`replies`](crate::replies)).

mod breaker;
mod classify;
mod credits;
mod endpoint;
mod error;
mod evidence;
mod guarded;
mod pace;
mod pool;
mod retry;
mod sender;

pub use credits::{CreditPrices, Credits};
pub use endpoint::{Endpoint, EndpointLabel};
pub use error::{ChainError, Retryability};
pub use evidence::proves_not_sent;
pub use pool::RpcPool;
pub use retry::RetryPolicy;
