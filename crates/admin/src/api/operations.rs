//! What the service can be asked and told to do; whoever runs one provides it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    letters::{Letter, LetterFilter, Moved},
    quarantine::{QuarantineFilter, Quarantined},
};

/// An operation that could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// A part that it needs does not answer: the queue, the store.
    #[error("{0}")]
    Unavailable(String),
    /// No node of the cluster answers.
    #[error("{0}")]
    NoNode(String),
}

/// A wallet, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletBrief {
    /// Its address.
    pub address: String,
    /// Its balance as last read.
    pub lamports: u64,
    /// Below the level at which it should be refilled.
    pub is_low: bool,
    /// What it always keeps.
    pub reserve_lamports: u64,
}

/// The service at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The version that runs.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs, in seconds.
    pub uptime_secs: u64,
    /// The chain that it works on; without secrets.
    pub chain: String,
    /// The program that it listens to.
    pub program_id: String,
    /// As `/health`.
    pub health: Value,
    /// As `/stats`.
    pub stats: Value,
    /// Messages that wait; nothing where the queue does not tell.
    pub queue_waiting: Option<u64>,
    /// Messages under way.
    pub queue_in_flight: Option<u64>,
    /// Messages that were given up.
    pub dead_letters: Option<u64>,
    /// The last slot of which everything is settled.
    pub watermark_slot: Option<u64>,
    /// The newest slot that was heard of.
    pub last_slot: Option<u64>,
    /// Whether notifications come in.
    pub connected: bool,
    /// Who pays.
    pub wallets: Vec<WalletBrief>,
}

/// What a running service does for whoever operates it.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// How it is.
    async fn status(&self) -> ServiceStatus;

    /// The dead letters that are meant, the oldest first.
    ///
    /// # Errors
    /// [`OperationError`].
    async fn dead_letters(&self, filter: &LetterFilter) -> Result<Vec<Letter>, OperationError>;

    /// Sends the letters that are meant back to the queue, their attempts counted anew.
    ///
    /// # Errors
    /// [`OperationError`]; what was sent before stays sent.
    async fn redrive(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError>;

    /// Removes the letters that are meant for good.
    ///
    /// # Errors
    /// [`OperationError`]; what was removed before stays removed.
    async fn purge(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError>;

    /// What is meant of the quarantine, the longest there first.
    ///
    /// # Errors
    /// [`OperationError`].
    async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError>;

    /// Has what is meant tried again now. Answers what that is.
    ///
    /// # Errors
    /// [`OperationError`]; what came before is tried again.
    async fn quarantine_retry(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError>;

    /// Takes what is meant out of quarantine for good. Answers what that is.
    ///
    /// # Errors
    /// [`OperationError`]; what came before is out.
    async fn quarantine_release(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError>;

    /// The story of a session, by its id, its address or a transaction.
    ///
    /// # Errors
    /// [`OperationError`].
    async fn inspect(&self, what: &str) -> Result<Value, OperationError>;
}
