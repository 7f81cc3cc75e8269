//! Why a watermark could not be read or saved, and whether it may be later.

use std::time::Duration;

use crate::checkpoint::place::WatermarkStoreError;

/// Why a watermark could not be read or saved.
#[derive(Debug, thiserror::Error)]
pub enum WatermarkError {
    /// The folder for watermarks.
    #[error("the folder {folder} for the watermark cannot be made: {source}")]
    Folder {
        /// Its path.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store.
    #[error("the watermark's store: {0}")]
    Store(#[from] object_store::Error),
    /// The store that this process owns.
    #[error(transparent)]
    Own(#[from] WatermarkStoreError),
    /// Not JSON, or not a watermark's.
    #[error("the watermark {path} cannot be read: {detail}; restore it, or remove it and choose where to start")]
    Malformed {
        /// The object.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Written by another version of this service.
    #[error(
        "the watermark {path} has version {found}, and this service reads version {known}: upgrade this service, or remove it and choose where to start"
    )]
    Version {
        /// The object.
        path: String,
        /// Its version.
        found: u32,
        /// The one that is read.
        known: u32,
    },
    /// Of another program or another cluster.
    #[error(
        "the watermark {path} belongs to {field} {found}, and this is {expected}: it was moved here from elsewhere"
    )]
    Foreign {
        /// The object.
        path: String,
        /// `program_id` or `genesis_hash`.
        field: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A listener listens, and saves it.
    #[error("the listener {holder} listens, and would move the watermark {path} again: stop all that share it first")]
    Leased {
        /// The object.
        path: String,
        /// Who holds the lease.
        holder: String,
    },
    /// A listener has saved it while it was to be set.
    #[error("the watermark {path} was saved by somebody else meanwhile: stop the listener that does, and set it then")]
    Moved {
        /// The object.
        path: String,
    },
    /// The store does not answer.
    #[error("the watermark's store has not answered within {limit:?}")]
    Silent {
        /// How long it was given.
        limit: Duration,
    },
    /// Somebody else saves all the time.
    #[error("the watermark {path} was replaced by others each of {times} times that it was to be saved")]
    Contended {
        /// The object.
        path: String,
        /// How often it was tried.
        times: u32,
    },
}

impl WatermarkError {
    /// Whether the store may take it later; otherwise somebody has to act.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Store(object_store::Error::Generic { .. })
            | Self::Own(_)
            | Self::Silent { .. }
            | Self::Contended { .. } => true,
            Self::Store(_)
            | Self::Leased { .. }
            | Self::Moved { .. }
            | Self::Folder { .. }
            | Self::Malformed { .. }
            | Self::Version { .. }
            | Self::Foreign { .. } => false,
        }
    }
}
