//! What was found served, so that it is not asked for again: sixteen bytes a session, one record a shard, in the place where
//! the watermark is.
//!
//! It is only ever a saving: what it has lost is asked for once more. What is in it existed at finalized commitment, so no fork
//! takes it back; an account that was closed since is nobody's to create again.

use std::{fmt, path::Path as FilePath, sync::Arc};

use async_trait::async_trait;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, memory::InMemory, path::Path};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use time::OffsetDateTime;

/// Bytes of an address that are remembered: no two have been found that share them.
const KEPT_BYTES: usize = 16;
/// The name of the record of the last comparison.
const LAST: &str = "last.json";

type Kept = [u8; KEPT_BYTES];

/// A place that keeps records by their names.
#[async_trait]
pub trait ServedStore: Send + Sync + 'static {
    /// A record.
    ///
    /// # Errors
    /// [`ServedError`].
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, ServedError>;

    /// Keeps a record over the one before.
    ///
    /// # Errors
    /// [`ServedError`].
    async fn save(&self, name: &str, record: Vec<u8>) -> Result<(), ServedError>;
}

/// What was found served could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("what was found served: {0}")]
pub struct ServedError(Box<dyn std::error::Error + Send + Sync>);

impl ServedError {
    /// What a place says.
    pub fn place(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// The memory of all programs and clusters that share a place. Clones share it.
#[derive(Clone)]
pub struct Served(Arc<dyn ServedStore>);

impl fmt::Debug for Served {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Served").finish_non_exhaustive()
    }
}

impl Served {
    /// In this place.
    #[must_use]
    pub fn new(store: Arc<dyn ServedStore>) -> Self {
        Self(store)
    }

    /// In this process: every start asks for everything once.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::object_store(Arc::new(InMemory::new()), "")
    }

    /// In a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// [`ServedError`] if the folder cannot be made.
    pub fn folder(folder: &FilePath) -> Result<Self, ServedError> {
        std::fs::create_dir_all(folder).map_err(ServedError::place)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(ServedError::place)?;
        Ok(Self::object_store(Arc::new(store), ""))
    }

    /// In this object store, under `prefix`: one object a shard.
    #[must_use]
    pub fn object_store(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        let prefix = Path::from(prefix);
        Self::new(Arc::new(Objects { store, prefix }))
    }

    /// What is remembered of one program on one cluster.
    pub(crate) fn of(&self, scope: &str) -> ServedOf {
        ServedOf {
            store: Arc::clone(&self.0),
            scope: scope.to_owned(),
        }
    }
}

struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Objects {
    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }
}

#[async_trait]
impl ServedStore for Objects {
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, ServedError> {
        let object = match self.store.get(&self.path(name)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            object => object.map_err(ServedError::place)?,
        };
        let bytes = object.bytes().await.map_err(ServedError::place)?;
        Ok(Some(bytes.to_vec()))
    }

    async fn save(&self, name: &str, record: Vec<u8>) -> Result<(), ServedError> {
        let saved = self.store.put(&self.path(name), record.into()).await;
        saved.map(drop).map_err(ServedError::place)
    }
}

/// What the last comparison of all entries has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastPass {
    /// Sessions that had ever been requested when it began, where the factory's state tells it.
    pub(crate) requested: Option<u64>,
    /// When all entries were listed.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) listed_at: OffsetDateTime,
    /// Entries that there were.
    pub(crate) entries: u64,
    /// Those of them whose sessions are served.
    pub(crate) served: u64,
    /// Addresses of the entries whose sessions were not, base58.
    pub(crate) pending: Vec<String>,
}

/// The memory of one program on one cluster. Where it fails, nothing is remembered.
pub(crate) struct ServedOf {
    store: Arc<dyn ServedStore>,
    scope: String,
}

impl ServedOf {
    pub(crate) async fn last(&self) -> Option<LastPass> {
        let record = self.load(LAST).await?;
        serde_json::from_slice(&record)
            .inspect_err(|error| tracing::warn!(%error, "the record of the last comparison cannot be read"))
            .ok()
    }

    pub(crate) async fn keep_last(&self, last: &LastPass) {
        match serde_json::to_vec(last) {
            Ok(record) => self.save(LAST, record).await,
            Err(error) => tracing::warn!(%error, "the record of the last comparison cannot be written"),
        }
    }

    pub(crate) async fn of_shard(&self, shard: &str) -> Known {
        let record = self.load(&file(shard)).await.unwrap_or_default();
        let kept = record.chunks_exact(KEPT_BYTES).filter_map(|kept| kept.try_into().ok());
        Known(kept.collect())
    }

    pub(crate) async fn keep_shard(&self, shard: &str, known: &Known) {
        self.save(&file(shard), known.0.concat()).await;
    }

    async fn load(&self, name: &str) -> Option<Vec<u8>> {
        let loaded = self.store.load(&format!("{}/{name}", self.scope)).await;
        loaded.unwrap_or_else(|error| {
            tracing::warn!(%error, name, "it is asked for again");
            None
        })
    }

    async fn save(&self, name: &str, record: Vec<u8>) {
        if let Err(error) = self.store.save(&format!("{}/{name}", self.scope), record).await {
            tracing::warn!(%error, name, "it will be asked for again");
        }
    }
}

fn file(shard: &str) -> String {
    format!("shard-{shard}.bin")
}

/// Sessions of a shard that were found served, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known(Vec<Kept>);

impl Known {
    /// Those of a list, whatever its order.
    pub(crate) fn of<'a>(sessions: impl Iterator<Item = &'a Pubkey>) -> Self {
        let mut kept: Vec<Kept> = sessions.filter_map(kept).collect();
        kept.sort_unstable();
        kept.dedup();
        Self(kept)
    }

    pub(crate) fn has(&self, session: &Pubkey) -> bool {
        kept(session).is_some_and(|kept| self.0.binary_search(&kept).is_ok())
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

fn kept(session: &Pubkey) -> Option<Kept> {
    session.as_ref().first_chunk().copied()
}
