//! Where items are kept, behind one trait: S3, a folder, memory, or the store of one machine.

use async_trait::async_trait;

use crate::quarantine::item::{QuarantineItem, VERSION};

/// A place that keeps items, of one or more programs and clusters, by [`QuarantineItem::key`].
///
/// What `put` has acknowledged outlives the process, because the watermark passes it then.
#[async_trait]
pub trait QuarantineStore: Send + Sync + 'static {
    /// All items. One that cannot be read is reported and left alone.
    ///
    /// # Errors
    /// [`QuarantineError::Place`].
    async fn all(&self) -> Result<Vec<QuarantineItem>, QuarantineError>;

    /// One item.
    ///
    /// # Errors
    /// [`QuarantineError`].
    async fn get(&self, key: &str) -> Result<Option<QuarantineItem>, QuarantineError>;

    /// Keeps an item, over the one before of its key.
    ///
    /// # Errors
    /// [`QuarantineError`]; the one before is still there.
    async fn put(&self, item: &QuarantineItem) -> Result<(), QuarantineError>;

    /// Takes an item out. Says whether it was there.
    ///
    /// # Errors
    /// [`QuarantineError::Place`].
    async fn remove(&self, key: &str) -> Result<bool, QuarantineError>;
}

/// The quarantine could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The place where it is kept.
    #[error("the quarantine's place: {0}")]
    Place(Box<dyn std::error::Error + Send + Sync>),
    /// An item that this release cannot read.
    #[error("the quarantine's item {key} cannot be read: {detail}; it is left as it is")]
    Item {
        /// Its key.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It is full.
    #[error(
        "the quarantine is full, it has {items} items: look at them (session-builder quarantine list), mend the cause, or release them"
    )]
    Full {
        /// How many there are.
        items: usize,
    },
}

impl QuarantineError {
    /// What a place says.
    pub fn place(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Place(error.into())
    }
}

impl QuarantineItem {
    /// The item as JSON.
    ///
    /// # Errors
    /// [`QuarantineError::Item`] for a moment that RFC 3339 cannot write.
    pub fn to_json(&self) -> Result<String, QuarantineError> {
        serde_json::to_string_pretty(self).map_err(|error| QuarantineError::Item {
            key: self.key(),
            detail: error.to_string(),
        })
    }

    /// An item from its JSON.
    ///
    /// # Errors
    /// [`QuarantineError::Item`] where it is none, or another release's.
    pub fn from_json(key: &str, json: &[u8]) -> Result<Self, QuarantineError> {
        let unreadable = |detail: String| QuarantineError::Item {
            key: key.to_owned(),
            detail,
        };
        let item: Self = serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))?;
        if item.version == VERSION {
            Ok(item)
        } else {
            let found = item.version;
            Err(unreadable(format!(
                "it has version {found}, and this service reads version {VERSION}"
            )))
        }
    }
}
