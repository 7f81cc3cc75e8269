//! Why a listener cannot start, or had to end.

use session_chain::ChainError;
use session_events::idl::LayoutConflict;

use crate::cursor::CursorError;

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
    /// The saved cursor.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// A task of the listener panicked.
    #[error("the listener's {task} task panicked: {source}")]
    Task {
        /// Which one.
        task: &'static str,
        /// The panic.
        source: tokio::task::JoinError,
    },
}
