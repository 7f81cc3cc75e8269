//! Where this process keeps what must last of its listener: in its own store, or where the configuration puts cursors.

use std::sync::Arc;

use async_trait::async_trait;
use session_config::Settings;
use session_listener::{
    Lasting, Quarantine, QuarantineError, QuarantineItem, QuarantineStore, Served, ServedError, ServedStore,
    SettingsError,
};
use session_store::{Reader, Store, StoreError};

/// The listener's places. All but the cursor is in the store, where there is one and the configuration names no other place.
///
/// # Errors
/// [`SettingsError`].
pub async fn lasting(settings: &Settings, store: Option<&Store>) -> Result<Lasting, SettingsError> {
    let lasting = Lasting::from_settings(settings).await?;
    Ok(match store {
        Some(store) if settings.listener.cursor_url.is_none() => Lasting {
            quarantine: in_store(store),
            served: Served::new(Arc::new(InStore(store.clone()))),
            ..lasting
        },
        _ => lasting,
    })
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
