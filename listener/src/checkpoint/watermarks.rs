//! Where watermarks are kept: in a folder, in S3, in memory, or in this process's store; and how each is called there.

use std::{path::Path as FilePath, sync::Arc, time::Duration};

use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory, path::Path};
use solana_pubkey::Pubkey;

use crate::checkpoint::{
    error::WatermarkError,
    lease::Lease,
    place::{Place, WatermarkStore},
    saved::SavedWatermark,
};

/// The folder of watermarks under a state folder. Whoever had a state folder before they were called so has it by this name.
pub(crate) const WATERMARKS_FOLDER: &str = "cursors";

/// Where watermarks are kept. Clones share the place.
#[derive(Debug, Clone)]
pub struct Watermarks {
    place: Place,
    prefix: Path,
    /// How the place is called where somebody asks.
    name: String,
}

impl Watermarks {
    /// In a folder, which is made if it isn't there. A saved watermark survives a power failure.
    ///
    /// # Errors
    /// [`WatermarkError::Store`] if the folder cannot be made.
    pub fn folder(folder: &FilePath) -> Result<Self, WatermarkError> {
        std::fs::create_dir_all(folder).map_err(|error| WatermarkError::Folder {
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
    /// [`WatermarkError::Store`] if that folder is there and cannot be read.
    pub fn owned(store: Arc<dyn WatermarkStore>, name: String, state_dir: &FilePath) -> Result<Self, WatermarkError> {
        let folder = state_dir.join(WATERMARKS_FOLDER);
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

    /// The watermark of one program's listening for one queue on the cluster with this genesis hash, not yet read.
    #[must_use]
    pub fn of(&self, queue: &str, program_id: &Pubkey, genesis_hash: &str) -> SavedWatermark {
        // As watermarks were named when there was one queue.
        let before = self.path("cursor", program_id, genesis_hash);
        let watermark = self.named(&format!("cursor-{queue}"), program_id, genesis_hash);
        watermark.going_on_from(before)
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
    pub(crate) fn named(&self, name: &str, program_id: &Pubkey, genesis_hash: &str) -> SavedWatermark {
        let path = self.path(name, program_id, genesis_hash);
        let location = match self.place {
            Place::Objects { .. } => format!("{}/{path}", self.name),
            Place::Owned { .. } => self.name.clone(),
        };
        SavedWatermark::unread(self.place.clone(), path, location, program_id, genesis_hash)
    }

    fn path(&self, name: &str, program_id: &Pubkey, genesis_hash: &str) -> Path {
        self.prefix
            .clone()
            .join(format!("{name}-{program_id}-{genesis_hash}.json"))
    }
}
