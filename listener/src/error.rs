//! Why a listener cannot start, or had to end, and why a comparison was given up.

use session_chain::ChainError;
use session_events::idl::LayoutConflict;

use tokio::task::{JoinError, JoinHandle};

use crate::checkpoint::error::WatermarkError;

/// Why a listener cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// A setting that cannot work.
    #[error("listener setting {setting} is {value}; it must be {expected}")]
    Setting {
        /// Name of the field of `ListenerConfig`.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The user's IDL contradicts what accounts are created by.
    #[error(transparent)]
    Idl(#[from] LayoutConflict),
    /// The endpoints don't answer, or belong to different clusters.
    #[error("the cluster cannot be told: {0}")]
    Cluster(#[from] ChainError),
    /// The chain did not answer a question about the program's history.
    #[error("the chain does not tell {what}: {reason}")]
    History {
        /// What was asked.
        what: &'static str,
        /// Why it wasn't answered.
        reason: String,
    },
    /// The saved watermark.
    #[error(transparent)]
    Watermark(#[from] WatermarkError),
    /// The comparison with account state.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// A task of the listener panicked.
    #[error("the listener's {task} task panicked: {source}")]
    Task {
        /// Which one.
        task: &'static str,
        /// The panic.
        source: JoinError,
    },
}

/// Why a comparison was given up.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The chain did not answer.
    #[error("the factory's accounts cannot be compared: {0}")]
    Chain(#[from] ChainError),
    /// The chain's answer cannot be read.
    #[error("the factory's accounts cannot be compared: {0}")]
    Reply(String),
    /// It was told to stop.
    #[error("the comparison was stopped")]
    Stopped,
}

/// Waits for all tasks, and answers with the first failure. What is not waited for when this is dropped stays in `tasks`.
pub(crate) async fn join_all(tasks: &mut Vec<(&'static str, JoinHandle<()>)>) -> Result<(), ListenerError> {
    let mut outcome = Ok(());
    while let Some((name, task)) = tasks.last_mut() {
        let result = joined(name, task.await);
        outcome = outcome.and(result);
        tasks.pop();
    }
    outcome
}

pub(crate) fn joined(task: &'static str, result: Result<(), JoinError>) -> Result<(), ListenerError> {
    result.map_err(|source| ListenerError::Task { task, source })
}
