//! What can be wrong with the store, and what to do about it.

use std::{io, path::PathBuf};

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process is the owner.
    #[error("{path} belongs to the running process {pid}: stop that one first, or give this one a service.state_dir of its own", pid = .pid.map_or(String::from("(which has not said its id)"), |pid| pid.to_string()))]
    Owned {
        /// The lock file.
        path: PathBuf,
        /// The owner's process id, where it could be read.
        pid: Option<u32>,
    },
    /// A folder or the lock cannot be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is nothing to read.
    #[error("there is no store at {path}: no service has run with this service.state_dir")]
    NoStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{path} is damaged: {reason}; restore it from a backup, or move it away and the service begins a new one")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// The file was written by another release.
    #[error("{path} cannot be brought to this release's layout: {source}")]
    Layout {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite_migration::Error,
    },
    /// SQLite failed.
    #[error("the store cannot {operation}: {source}")]
    Sql {
        /// What was tried.
        operation: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A record that this release cannot read.
    #[error("the {room} of the store has a record that cannot be read, {key:?}: {source}")]
    Record {
        /// The table.
        room: &'static str,
        /// Its key.
        key: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The thread that has the file is gone.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may succeed later: the disk was full or busy.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        let Self::Sql { source, .. } = self else { return false };
        source
            .sqlite_error_code()
            .is_some_and(|code| matches!(code, DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure))
    }
}
