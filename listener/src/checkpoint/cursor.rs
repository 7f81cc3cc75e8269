//! The saved cursor: one JSON text per queue, program and cluster, in a folder, in S3, in memory, or in this process's store.
//!
//! Texts are replaced atomically: a file by renaming, an S3 object by a put on the condition that nobody else has
//! replaced it since, a record by its store. A cursor never goes back: it is compared with what is saved before each put, and of two listeners'
//! cursors the one that is further ahead stays, because both are true. Where none is saved yet, the first to save one
//! decides where listening begins, for all.

use std::{path::Path as FilePath, sync::Arc, time::Duration};

use object_store::{ObjectStore, PutMode, UpdateVersion, local::LocalFileSystem, memory::InMemory, path::Path};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

use crate::checkpoint::{
    lease::Lease,
    place::{Place, WatermarkError, WatermarkStore},
    watermark::Mark,
};

/// The folder of cursors under a state folder.
pub(crate) const CURSORS_FOLDER: &str = "cursors";

/// The version that this code writes, and the only one that it reads.
const VERSION: u32 = 1;
/// How often a save is tried again when somebody else has saved in between.
const CONFLICTS_MAX: u32 = 5;

/// Where cursors are kept. Clones share the place.
#[derive(Debug, Clone)]
pub struct CursorStore {
    place: Place,
    prefix: Path,
    /// How the place is called where somebody asks.
    name: String,
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
            place: Place::Objects {
                store: Arc::new(store),
                conditional: false,
            },
            prefix: Path::default(),
            name: folder.display().to_string(),
        })
    }

    /// In a store that this process owns, whose name is `name`. What earlier versions kept in the folder of this state folder
    /// is read while the store has nothing.
    ///
    /// # Errors
    /// [`CursorError::Store`] if that folder is there and cannot be read.
    pub fn owned(store: Arc<dyn WatermarkStore>, name: String, state_dir: &FilePath) -> Result<Self, CursorError> {
        let folder = state_dir.join(CURSORS_FOLDER);
        let earlier: Option<Arc<dyn ObjectStore>> = if folder.is_dir() {
            Some(Arc::new(LocalFileSystem::new_with_prefix(folder)?))
        } else {
            None
        };
        Ok(Self {
            place: Place::Owned { store, earlier },
            prefix: Path::default(),
            name,
        })
    }

    /// In this object store, under `prefix`; it must support conditional puts, as S3 does.
    #[must_use]
    pub fn object_store(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            name: store.to_string(),
            place: Place::Objects {
                store,
                conditional: true,
            },
            prefix: Path::from(prefix),
        }
    }

    /// In this process, for chains that do not outlive it either.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::object_store(Arc::new(InMemory::new()), "")
    }

    /// The cursor of one program's listening for one queue on the cluster with this genesis hash, not yet read.
    #[must_use]
    pub fn of(&self, queue: &str, program_id: &Pubkey, genesis_hash: &str) -> SavedCursor {
        SavedCursor {
            // As cursors were named when there was one queue.
            before: Some(self.path("cursor", program_id, genesis_hash)),
            ..self.named(&format!("cursor-{queue}"), program_id, genesis_hash)
        }
    }

    /// The lease on listening for it, which lasts so long after each renewal. `None` where nobody shares the place, or files are
    /// kept, which cannot be replaced on a condition.
    pub(crate) fn lease(&self, queue: &str, program_id: &Pubkey, genesis_hash: &str, lasts: Duration) -> Option<Lease> {
        let path = self.path(&format!("lease-{queue}"), program_id, genesis_hash);
        let me = session_clock::uuid().to_string();
        let shared = self.place.is_shared();
        shared.then(|| Lease::new(self.place.clone(), path, me, lasts))
    }

    /// The same for something else than listening.
    pub(crate) fn named(&self, name: &str, program_id: &Pubkey, genesis_hash: &str) -> SavedCursor {
        SavedCursor {
            store: self.clone(),
            path: self.path(name, program_id, genesis_hash),
            before: None,
            program_id: program_id.to_string(),
            genesis_hash: genesis_hash.to_owned(),
            saved: Saved::Unknown,
            provenance: None,
        }
    }

    fn path(&self, name: &str, program_id: &Pubkey, genesis_hash: &str) -> Path {
        self.prefix
            .clone()
            .join(format!("{name}-{program_id}-{genesis_hash}.json"))
    }
}

/// What has come of a put on a condition.
#[derive(Debug, PartialEq, Eq)]
enum Put {
    Done,
    /// Somebody else has saved since.
    Overtaken,
}

/// One program's cursor on one cluster.
#[derive(Debug)]
pub struct SavedCursor {
    store: CursorStore,
    path: Path,
    /// Where it was kept by an earlier version of this service.
    before: Option<Path>,
    program_id: String,
    genesis_hash: String,
    saved: Saved,
    /// Of what was last read.
    provenance: Option<Provenance>,
}

/// How a cursor came to be where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provenance {
    /// When it was saved.
    pub at: OffsetDateTime,
    /// By an operator, rather than by a listener that had everything before it settled.
    pub by_hand: bool,
}

/// What is known to be saved.
#[derive(Debug, Clone)]
enum Saved {
    /// Nothing is known: it is read before the next put.
    Unknown,
    /// There was no object, and it goes on from this mark of the one before, if there was one.
    Absent(Option<Mark>),
    /// The object as it was last read or written.
    Present(Mark, UpdateVersion),
}

impl Saved {
    fn mark(&self) -> Option<Mark> {
        match self {
            Self::Unknown => None,
            Self::Absent(before) => *before,
            Self::Present(mark, _) => Some(*mark),
        }
    }
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
    /// An operator chose it: nobody says that all before it is settled.
    #[serde(default)]
    set_by_hand: bool,
}

impl SavedCursor {
    /// Reads it. `None` is "never saved", which is not slot 0.
    ///
    /// # Errors
    /// [`CursorError`] if it cannot be read, or isn't this program's on this cluster.
    pub async fn load(&mut self) -> Result<Option<Mark>, CursorError> {
        let (saved, provenance) = match self.read(&self.path).await? {
            Some((mark, provenance, version)) => (Saved::Present(mark, version), Some(provenance)),
            None => match &self.before {
                Some(before) => {
                    let before = self.read(before).await?;
                    let provenance = before.as_ref().map(|(_, provenance, _)| *provenance);
                    (Saved::Absent(before.map(|(mark, ..)| mark)), provenance)
                }
                None => (Saved::Absent(None), None),
            },
        };
        (self.saved, self.provenance) = (saved, provenance);
        Ok(self.saved.mark())
    }

    async fn read(&self, path: &Path) -> Result<Option<(Mark, Provenance, UpdateVersion)>, CursorError> {
        let Some((text, version)) = self.store.place.get(path).await? else {
            return Ok(None);
        };
        let (mark, provenance) = self.parse(&text)?;
        Ok(Some((mark, provenance, version)))
    }

    /// How what was last [loaded](Self::load) came to be there, if there was anything.
    #[must_use]
    pub fn provenance(&self) -> Option<Provenance> {
        self.provenance
    }

    /// Where it is kept.
    #[must_use]
    pub fn location(&self) -> String {
        match self.store.place {
            Place::Objects { .. } => format!("{}/{}", self.store.name, self.path),
            Place::Owned { .. } => self.store.name.clone(),
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<(Mark, Provenance), CursorError> {
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
        let mark = Mark {
            slot: document.slot,
            signature,
        };
        let provenance = Provenance {
            at: document.updated_at,
            by_hand: document.set_by_hand,
        };
        Ok((mark, provenance))
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

    /// Saves a first mark, unless there is one: where several start for the first time, all begin where the first of them does.
    /// Answers what is saved now.
    ///
    /// # Errors
    /// [`CursorError`] if it cannot be written.
    pub async fn begin(&mut self, mark: Mark) -> Result<Mark, CursorError> {
        if let Some(saved) = self.load().await? {
            return Ok(saved);
        }
        match self.put(mark, PutMode::Create, false).await? {
            Put::Done => Ok(mark),
            Put::Overtaken => Ok(self.load().await?.unwrap_or(mark)),
        }
    }

    /// Saves `mark`, unless what is saved already is as far or further. Answers what is saved now.
    ///
    /// # Errors
    /// [`CursorError`] if it cannot be written: the old one stays.
    pub async fn advance(&mut self, mark: Mark) -> Result<Mark, CursorError> {
        for _ in 0..CONFLICTS_MAX {
            if matches!(self.saved, Saved::Unknown) || !self.store.place.is_shared() {
                self.load().await?;
            }
            let mode = match &self.saved {
                Saved::Present(saved, _) if saved.slot >= mark.slot => return Ok(*saved),
                Saved::Absent(Some(before)) if before.slot > mark.slot => return Ok(*before),
                Saved::Present(_, version) if self.store.place.is_shared() => PutMode::Update(version.clone()),
                Saved::Present(..) => PutMode::Overwrite,
                Saved::Absent(_) | Saved::Unknown => PutMode::Create,
            };
            if let Put::Done = self.put(mark, mode, false).await? {
                return Ok(mark);
            }
        }
        Err(CursorError::Contended {
            path: self.path.to_string(),
        })
    }

    /// Saves `mark` because an operator says so, wherever it was before; not over what somebody else has saved since it was
    /// [loaded](Self::load).
    ///
    /// # Errors
    /// [`CursorError::Moved`] if somebody else has saved, otherwise as [`Self::advance`]: the old one stays.
    pub(crate) async fn set(&mut self, mark: Mark) -> Result<(), CursorError> {
        let mode = match &self.saved {
            Saved::Present(..) if !self.store.place.is_shared() => PutMode::Overwrite,
            Saved::Present(_, version) => PutMode::Update(version.clone()),
            Saved::Absent(_) | Saved::Unknown => PutMode::Create,
        };
        match self.put(mark, mode, true).await? {
            Put::Done => Ok(()),
            Put::Overtaken => Err(CursorError::Moved { path: self.location() }),
        }
    }

    async fn put(&mut self, mark: Mark, mode: PutMode, by_hand: bool) -> Result<Put, CursorError> {
        let document = self.document(mark, by_hand)?;
        // Whatever happens now, what was known is known no more.
        self.saved = Saved::Unknown;
        Ok(match self.store.place.put(&self.path, document, mode).await? {
            Some(version) => {
                self.saved = Saved::Present(mark, version);
                Put::Done
            }
            None => Put::Overtaken,
        })
    }

    /// Forgets it.
    ///
    /// # Errors
    /// [`CursorError::Store`].
    pub(crate) async fn remove(&mut self) -> Result<(), CursorError> {
        self.saved = Saved::Unknown;
        self.store.place.remove(&self.path).await
    }

    fn document(&self, mark: Mark, set_by_hand: bool) -> Result<String, CursorError> {
        let document = Document {
            version: VERSION,
            program_id: self.program_id.clone(),
            genesis_hash: self.genesis_hash.clone(),
            slot: mark.slot,
            signature: mark.signature.map(|signature| signature.to_string()),
            updated_at: OffsetDateTime::from(session_clock::now()),
            set_by_hand,
        };
        serde_json::to_string_pretty(&document).map_err(|error| CursorError::Malformed {
            path: self.path.to_string(),
            detail: error.to_string(),
        })
    }
}

impl CursorError {
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
    /// The store that this process owns.
    #[error(transparent)]
    Own(#[from] WatermarkError),
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
    /// A listener listens, and saves it.
    #[error("the listener {holder} listens, and would move the cursor {path} again: stop all that share it first")]
    Leased {
        /// The object.
        path: String,
        /// Who holds the lease.
        holder: String,
    },
    /// A listener has saved it while it was to be set.
    #[error("the cursor {path} was saved by somebody else meanwhile: stop the listener that does, and set it then")]
    Moved {
        /// The object.
        path: String,
    },
    /// The store does not answer.
    #[error("the cursor's store has not answered within {limit:?}")]
    Silent {
        /// How long it was given.
        limit: Duration,
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
