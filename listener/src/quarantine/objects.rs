//! Items as objects under a prefix, one object each: in S3, in a folder, or in memory.
//!
//! A listing tells each object's tag, so that a look at the whole quarantine fetches only what has changed.

use std::{
    collections::HashMap,
    path::Path as FilePath,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, local::LocalFileSystem, memory::InMemory, path::Path};

use crate::quarantine::{
    item::QuarantineItem,
    store::{QuarantineError, QuarantineStore},
};

/// A place in an object store.
#[derive(Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// What was read, by the object's path, each with its tag.
    read: Mutex<HashMap<Path, (String, QuarantineItem)>>,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self {
            store,
            prefix,
            read: Mutex::default(),
        }
    }

    pub(crate) fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()), Path::default())
    }

    /// In a folder, which is made if it isn't there. What is saved survives a power failure.
    pub(crate) fn folder(folder: &FilePath) -> Result<Self, QuarantineError> {
        std::fs::create_dir_all(folder).map_err(QuarantineError::place)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(QuarantineError::place)?;
        Ok(Self::new(Arc::new(store.with_fsync(true)), Path::default()))
    }

    fn path(&self, key: &str) -> Path {
        let name = format!("{key}.json");
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    async fn read(&self, path: &Path) -> Result<Option<QuarantineItem>, QuarantineError> {
        let object = match self.store.get(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            object => object.map_err(QuarantineError::place)?,
        };
        let bytes = object.bytes().await.map_err(QuarantineError::place)?;
        QuarantineItem::from_json(path.as_ref(), &bytes).map(Some)
    }

    fn known(&self, object: &ObjectMeta) -> Option<QuarantineItem> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (tag, item) = read.get(&object.location)?;
        (object.e_tag.as_ref() == Some(tag)).then(|| item.clone())
    }
}

#[async_trait]
impl QuarantineStore for Objects {
    async fn all(&self) -> Result<Vec<QuarantineItem>, QuarantineError> {
        let listed: Vec<ObjectMeta> = self
            .store
            .list(Some(&self.prefix))
            .try_collect()
            .await
            .map_err(QuarantineError::place)?;
        let (mut items, mut read) = (Vec::new(), HashMap::new());
        for object in listed {
            let item = match self.known(&object) {
                Some(item) => item,
                None => match self.read(&object.location).await {
                    Ok(Some(item)) => item,
                    // It was taken out since it was listed.
                    Ok(None) => continue,
                    Err(error @ QuarantineError::Item { .. }) => {
                        tracing::error!(%error, "an item of the quarantine is left out");
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            if let Some(tag) = object.e_tag {
                read.insert(object.location, (tag, item.clone()));
            }
            items.push(item);
        }
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(items)
    }

    async fn get(&self, key: &str) -> Result<Option<QuarantineItem>, QuarantineError> {
        self.read(&self.path(key)).await
    }

    async fn put(&self, item: &QuarantineItem) -> Result<(), QuarantineError> {
        let written = self.store.put(&self.path(&item.key()), item.to_json()?.into()).await;
        written.map(drop).map_err(QuarantineError::place)
    }

    async fn remove(&self, key: &str) -> Result<bool, QuarantineError> {
        let path = self.path(key);
        // S3 takes out what is not there without a word.
        match self.store.head(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            found => found.map(drop).map_err(QuarantineError::place)?,
        }
        match self.store.delete(&path).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(QuarantineError::place(error)),
        }
    }
}
