//! Where this process keeps what must last of its listener: in its own store, or where the configuration puts it.

use std::sync::Arc;

use async_trait::async_trait;
use session_config::{QueueKind, Settings};
use session_listener::{
    Lasting, Quarantine, QuarantineError, QuarantineItem, QuarantineStore, Served, ServedError, ServedStore,
    SettingsError, WatermarkStore, WatermarkStoreError, Watermarks,
};
use session_store::{FILE, Reader, Store, StoreError};

/// Whether a service with these settings keeps the watermark in the store of this machine: it has one, and the configuration
/// names no other place.
#[must_use]
pub fn in_own_store(settings: &Settings) -> bool {
    let has_store = settings.queue.kind == QueueKind::Memory || settings.ledger.table.is_none();
    has_store && settings.listener.watermark_url.is_none()
}

/// The listener's places: in the store, where there is one and the configuration names no other place.
///
/// # Errors
/// [`SettingsError`].
pub async fn lasting(settings: &Settings, store: Option<&Store>) -> Result<Lasting, SettingsError> {
    match store {
        Some(store) if settings.listener.watermark_url.is_none() => Ok(Lasting {
            watermarks: watermarks(settings, Arc::new(InStore(store.clone())))?,
            quarantine: in_store(store),
            served: Served::new(Arc::new(InStore(store.clone()))),
        }),
        _ => Lasting::from_settings(settings).await,
    }
}

/// The watermarks of this machine's store for whoever only looks, whether or not a service owns it.
///
/// # Errors
/// [`SettingsError`].
pub fn watermarks_of(settings: &Settings, reader: Reader) -> Result<Watermarks, SettingsError> {
    watermarks(settings, Arc::new(Looked(reader)))
}

fn watermarks(settings: &Settings, store: Arc<dyn WatermarkStore>) -> Result<Watermarks, SettingsError> {
    let folder = &settings.service.state_dir;
    let name = folder.join(FILE).display().to_string();
    Ok(Watermarks::owned(store, name, folder)?)
}

/// The quarantine in a store that this process owns.
pub(crate) fn in_store(store: &Store) -> Quarantine {
    Quarantine::new(Arc::new(InStore(store.clone())))
}

/// What lasts of a listener, in the store of this machine.
pub(crate) struct InStore(pub(crate) Store);

/// The items in a store, for whoever only looks. One that cannot be read is reported and left alone.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn items_of(reader: &Reader) -> Result<Vec<QuarantineItem>, StoreError> {
    let items = reader.quarantine().await?.into_iter();
    Ok(items
        .filter_map(
            |(key, record)| match QuarantineItem::from_json(&key, record.as_bytes()) {
                Ok(item) => Some(item),
                Err(error) => {
                    tracing::error!(%error, "an item of the quarantine is left out");
                    None
                }
            },
        )
        .collect())
}

#[async_trait]
impl QuarantineStore for InStore {
    async fn all(&self) -> Result<Vec<QuarantineItem>, QuarantineError> {
        items_of(&self.0).await.map_err(QuarantineError::place)
    }

    async fn get(&self, key: &str) -> Result<Option<QuarantineItem>, QuarantineError> {
        let record = self.0.quarantined(key).await.map_err(QuarantineError::place)?;
        record
            .map(|record| QuarantineItem::from_json(key, record.as_bytes()))
            .transpose()
    }

    async fn put(&self, item: &QuarantineItem) -> Result<(), QuarantineError> {
        let (key, record) = (item.key(), item.to_json()?);
        let put = self.0.put_in_quarantine(&key, record, session_clock::now());
        put.await.map_err(QuarantineError::place)
    }

    async fn remove(&self, key: &str) -> Result<bool, QuarantineError> {
        self.0.take_from_quarantine(key).await.map_err(QuarantineError::place)
    }
}

#[async_trait]
impl ServedStore for InStore {
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, ServedError> {
        self.0.served(name).await.map_err(ServedError::place)
    }

    async fn save(&self, name: &str, record: Vec<u8>) -> Result<(), ServedError> {
        self.0.keep_served(name, record).await.map_err(ServedError::place)
    }
}

#[async_trait]
impl WatermarkStore for InStore {
    async fn load(&self, name: &str) -> Result<Option<String>, WatermarkStoreError> {
        self.0.watermark(name).await.map_err(WatermarkStoreError::place)
    }

    async fn save(&self, name: &str, record: String) -> Result<(), WatermarkStoreError> {
        let saved = self.0.save_watermark(name, record, session_clock::now());
        saved.await.map_err(WatermarkStoreError::place)
    }

    async fn remove(&self, name: &str) -> Result<(), WatermarkStoreError> {
        self.0.remove_watermark(name).await.map_err(WatermarkStoreError::place)
    }
}

/// A store as somebody sees it who doesn't own it.
struct Looked(Reader);

/// Only its owner changes a store.
#[derive(Debug, thiserror::Error)]
#[error("the store is only looked at; whoever changes a watermark opens it")]
struct NotOwned;

#[async_trait]
impl WatermarkStore for Looked {
    async fn load(&self, name: &str) -> Result<Option<String>, WatermarkStoreError> {
        self.0.watermark(name).await.map_err(WatermarkStoreError::place)
    }

    async fn save(&self, _name: &str, _record: String) -> Result<(), WatermarkStoreError> {
        Err(WatermarkStoreError::place(NotOwned))
    }

    async fn remove(&self, _name: &str) -> Result<(), WatermarkStoreError> {
        Err(WatermarkStoreError::place(NotOwned))
    }
}
