//! What `/health` looks at wherever a listener runs: the RPC's slot, the event stream, the queue, and the wallets.
//!
//! Owns the verdicts and what they are made of: the last answers, and since when something fails. A check says which link
//! is broken; whether users are served all the same is somebody else's evidence (`session_admin::Evidence`). Knows
//! statuses, queues and the chain from outside, and changes nothing of them.

mod event_stream;
mod pulse;
mod quarantine;
mod queue;
mod rpc_slot;
mod wallet;
mod watched_queue;

use std::time::Duration;

pub use event_stream::EventStream;
pub use pulse::{Operation, Pulse};
pub use quarantine::QuarantineDepth;
pub use queue::QueueCheck;
pub use rpc_slot::RpcSlot;
pub use wallet::WalletBalance;
pub use watched_queue::{Passing, WatchedQueue};

/// A check is made of one request, which may take this long.
const PATIENCE: Duration = Duration::from_secs(5);
