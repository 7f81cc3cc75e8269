//! The saved cursor: one JSON object per program and cluster, in a folder, in S3 or in memory.
//!
//! Objects are replaced atomically: a file by renaming, an S3 object by a put on the condition that nobody else has
//! replaced it since. Of two listeners' cursors the one that is further ahead stays, because both are true.

use std::{path::Path as FilePath, sync::Arc};

use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion, local::LocalFileSystem, memory::InMemory,
    path::Path,
};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

use crate::checkpoint::watermark::Mark;

/// The version that this code writes, and the only one that it reads.
const VERSION: u32 = 1;
/// How often a save is tried again when somebody else has saved in between.
const CONFLICTS_MAX: u32 = 5;

/// Where cursors are kept. Clones share the place.
#[derive(Debug, Clone)]
pub struct CursorStore {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Files cannot be replaced on a condition; a folder belongs to one listener.
    conditional: bool,
}

impl CursorStore {
    /// In a folder, which is made if it isn't there. A saved cursor survives a power failure.
    ///
    /// # Errors
    /// [`CursorError::Store`] if the folder cannot be made.
    pub fn folder(folder: &FilePath) -> Result<Self, CursorError> {
        std::fs::create_dir_all(folder).map_err(|error| CursorError::Folder {
            folder: folder.display().to_string(),
            source: error,
        })?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            prefix: Path::default(),
            conditional: false,
        })
    }

    /// In this object store, under `prefix`; it must support conditional puts, as S3 does.
    #[must_use]
    pub fn object_store(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            store,
            prefix: Path::from(prefix),
            conditional: true,
        }
    }

    /// In this process, for chains that do not outlive it either.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::object_store(Arc::new(InMemory::new()), "")
    }

    /// The cursor of one program on the cluster with this genesis hash, not yet read.
    #[must_use]
    pub fn of(&self, program_id: &Pubkey, genesis_hash: &str) -> SavedCursor {
        self.named("cursor", program_id, genesis_hash)
    }

    /// The same for something else than listening.
    pub(crate) fn named(&self, name: &str, program_id: &Pubkey, genesis_hash: &str) -> SavedCursor {
        SavedCursor {
            store: self.clone(),
            path: self
                .prefix
                .clone()
                .join(format!("{name}-{program_id}-{genesis_hash}.json")),
            program_id: program_id.to_string(),
            genesis_hash: genesis_hash.to_owned(),
            version: None,
        }
    }
}

/// One program's cursor on one cluster.
#[derive(Debug)]
pub struct SavedCursor {
    store: CursorStore,
    path: Path,
    program_id: String,
    genesis_hash: String,
    /// Of the object as it was last read or written.
    version: Option<UpdateVersion>,
}

/// The JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    program_id: String,
    genesis_hash: String,
    /// The last slot of which everything is settled.
    slot: u64,
    /// The newest settled transaction, if there was any.
    signature: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl SavedCursor {
    /// Reads it. `None` is "never saved", which is not slot 0.
    ///
    /// # Errors
    /// [`CursorError`] if it cannot be read, or isn't this program's on this cluster.
    pub async fn load(&mut self) -> Result<Option<Mark>, CursorError> {
        let object = match self.store.store.get(&self.path).await {
            Err(object_store::Error::NotFound { .. }) => {
                self.version = None;
                return Ok(None);
            }
            object => object?,
        };
        self.version = Some(UpdateVersion {
            e_tag: object.meta.e_tag.clone(),
            version: object.meta.version.clone(),
        });
        let bytes = object.bytes().await?;
        self.parse(&bytes).map(Some)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Mark, CursorError> {
        let malformed = |detail: String| CursorError::Malformed {
            path: self.path.to_string(),
            detail,
        };
        let document: Document = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if document.version != VERSION {
            return Err(CursorError::Version {
                path: self.path.to_string(),
                found: document.version,
            });
        }
        self.check("program_id", &self.program_id, &document.program_id)?;
        self.check("genesis_hash", &self.genesis_hash, &document.genesis_hash)?;
        let signature = document.signature.map(|text| text.parse::<Signature>()).transpose();
        let signature = signature.map_err(|error| malformed(format!("signature: {error}")))?;
        Ok(Mark {
            slot: document.slot,
            signature,
        })
    }

    fn check(&self, field: &'static str, expected: &str, found: &str) -> Result<(), CursorError> {
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (expected.to_owned(), found.to_owned());
        Err(CursorError::Foreign {
            path: self.path.to_string(),
            field,
            expected,
            found,
        })
    }

    /// Saves `mark`, unless what is saved already is as far or further. Answers what is saved now.
    ///
    /// # Errors
    /// [`CursorError`] if it cannot be written: the old one stays.
    pub async fn advance(&mut self, mark: Mark) -> Result<Mark, CursorError> {
        for _ in 0..CONFLICTS_MAX {
            let written = self
                .store
                .store
                .put_opts(&self.path, self.document(mark)?.into(), self.put_options())
                .await;
            match written {
                Ok(result) => {
                    self.version = Some(result.into());
                    return Ok(mark);
                }
                Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => {
                    if let Some(other) = self.load().await?
                        && other.slot >= mark.slot
                    {
                        return Ok(other);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CursorError::Contended {
            path: self.path.to_string(),
        })
    }

    /// Forgets it.
    ///
    /// # Errors
    /// [`CursorError::Store`].
    pub(crate) async fn remove(&mut self) -> Result<(), CursorError> {
        match self.store.store.delete(&self.path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn put_options(&self) -> PutOptions {
        let mode = match &self.version {
            _ if !self.store.conditional => PutMode::Overwrite,
            Some(version) => PutMode::Update(version.clone()),
            None => PutMode::Create,
        };
        mode.into()
    }

    fn document(&self, mark: Mark) -> Result<Vec<u8>, CursorError> {
        let document = Document {
            version: VERSION,
            program_id: self.program_id.clone(),
            genesis_hash: self.genesis_hash.clone(),
            slot: mark.slot,
            signature: mark.signature.map(|signature| signature.to_string()),
            updated_at: OffsetDateTime::now_utc(),
        };
        serde_json::to_vec_pretty(&document).map_err(|error| CursorError::Malformed {
            path: self.path.to_string(),
            detail: error.to_string(),
        })
    }
}

/// Why a cursor could not be read or saved.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// The folder for cursors.
    #[error("the folder {folder} for the cursor cannot be made: {source}")]
    Folder {
        /// Its path.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store.
    #[error("the cursor's store: {0}")]
    Store(#[from] object_store::Error),
    /// Not JSON, or not a cursor's.
    #[error("the cursor {path} cannot be read: {detail}; restore it, or remove it and choose where to start")]
    Malformed {
        /// The object.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Written by another version of this service.
    #[error("the cursor {path} has version {found}, and this service reads version {VERSION}")]
    Version {
        /// The object.
        path: String,
        /// Its version.
        found: u32,
    },
    /// Of another program or another cluster.
    #[error("the cursor {path} belongs to {field} {found}, and this is {expected}: it was moved here from elsewhere")]
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
    /// The store does not answer.
    #[error("the cursor's store has not answered within {limit:?}")]
    Silent {
        /// How long it was given.
        limit: std::time::Duration,
    },
    /// Somebody else saves all the time.
    #[error("the cursor {path} was replaced by others each of {CONFLICTS_MAX} times that it was to be saved")]
    Contended {
        /// The object.
        path: String,
    },
}

#[cfg(test)]
mod tests;
