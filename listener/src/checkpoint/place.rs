//! Where a watermark's text is: an object in a folder, in S3 or in memory, or a record in the store that this process owns.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion, path::Path};

use crate::checkpoint::error::WatermarkError;

/// A place that keeps watermarks by name, each a text that only this crate reads, for one process at a time.
#[async_trait]
pub trait WatermarkStore: Send + Sync + 'static {
    /// What is kept.
    ///
    /// # Errors
    /// [`WatermarkStoreError`].
    async fn load(&self, name: &str) -> Result<Option<String>, WatermarkStoreError>;

    /// Keeps a watermark over the one before.
    ///
    /// # Errors
    /// [`WatermarkStoreError`]; the one before is still there.
    async fn save(&self, name: &str, record: String) -> Result<(), WatermarkStoreError>;

    /// Forgets it.
    ///
    /// # Errors
    /// [`WatermarkStoreError`].
    async fn remove(&self, name: &str) -> Result<(), WatermarkStoreError>;
}

/// A watermark could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("the watermark's store: {0}")]
pub struct WatermarkStoreError(Box<dyn std::error::Error + Send + Sync>);

impl WatermarkStoreError {
    /// What a place says.
    pub fn place(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Where texts are kept. Clones share it.
#[derive(Clone)]
pub(super) enum Place {
    /// Each is an object.
    Objects {
        store: Arc<dyn ObjectStore>,
        /// Files cannot be replaced on a condition; a folder belongs to one listener.
        conditional: bool,
    },
    /// Each is a record of a store that this process owns.
    Owned {
        store: Arc<dyn WatermarkStore>,
        /// Where an earlier version of this service kept them: read while the store has none.
        earlier: Option<Arc<dyn ObjectStore>>,
    },
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects { store, .. } => write!(formatter, "Objects({store})"),
            Self::Owned { .. } => write!(formatter, "Owned"),
        }
    }
}

impl Place {
    /// Whether others may put something there: then texts are replaced on a condition.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Objects { conditional: true, .. })
    }

    /// A text, with its version where it can be replaced on that condition.
    pub(super) async fn get(&self, path: &Path) -> Result<Option<(Vec<u8>, UpdateVersion)>, WatermarkError> {
        match self {
            Self::Objects { store, .. } => object(store.as_ref(), path).await,
            Self::Owned { store, earlier } => match (store.load(path.as_ref()).await?, earlier) {
                (Some(record), _) => Ok(Some((record.into_bytes(), unversioned()))),
                (None, Some(earlier)) => object(earlier.as_ref(), path).await,
                (None, None) => Ok(None),
            },
        }
    }

    /// Puts a text there. `None`: somebody else has since.
    pub(super) async fn put(
        &self,
        path: &Path,
        text: String,
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>, WatermarkError> {
        match self {
            Self::Objects { store, .. } => match store.put_opts(path, PutPayload::from(text), mode.into()).await {
                Ok(written) => Ok(Some(written.into())),
                Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
            Self::Owned { store, .. } => {
                store.save(path.as_ref(), text).await?;
                Ok(Some(unversioned()))
            }
        }
    }

    /// Forgets a text.
    pub(super) async fn remove(&self, path: &Path) -> Result<(), WatermarkError> {
        match self {
            Self::Objects { store, .. } => deleted(store.as_ref(), path).await,
            Self::Owned { store, earlier } => {
                if let Some(earlier) = earlier {
                    deleted(earlier.as_ref(), path).await?;
                }
                Ok(store.remove(path.as_ref()).await?)
            }
        }
    }
}

/// Of what is never replaced on a condition.
fn unversioned() -> UpdateVersion {
    UpdateVersion {
        e_tag: None,
        version: None,
    }
}

async fn object(store: &dyn ObjectStore, path: &Path) -> Result<Option<(Vec<u8>, UpdateVersion)>, WatermarkError> {
    let object = match store.get(path).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        object => object?,
    };
    let version = UpdateVersion {
        e_tag: object.meta.e_tag.clone(),
        version: object.meta.version.clone(),
    };
    Ok(Some((object.bytes().await?.to_vec(), version)))
}

async fn deleted(store: &dyn ObjectStore, path: &Path) -> Result<(), WatermarkError> {
    match store.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
