//! From `config.toml`, the environment and flags to typed [`Settings`], or to all that is wrong with them at once.
//!
//! The `config.toml` at the root of the repository is both the documentation of every key and what the defaults are
//! read from: a key that it does not have does not exist.

mod domains;
mod fault;
mod given;
mod reader;
mod rpc_url;
mod schema;
mod sections;
mod settings;

pub use fault::{ConfigError, Fault};
pub use reader::Shown;
pub use rpc_url::RpcUrl;
pub use sections::{
    Alerts, BatchEncoding, Commitment, Creation, History, Listener, LogFormat, Monitoring, Policy, Queue, QueueKind,
    Retry, Rpc, Secret, Service, Signer, SignerKind, StartAt, TransactionVersion, Webhook,
};
pub use settings::{Overrides, Settings, configured_in_environment};
