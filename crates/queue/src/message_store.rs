//! What a queue in memory keeps where a crash cannot reach it: dead letters, and messages that wait for their moment.

use std::{collections::BTreeMap, time::SystemTime};

use async_trait::async_trait;

use crate::queue::MessageId;

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id.
    pub message_id: MessageId,
    /// When it was sent.
    pub sent_at: SystemTime,
    /// How often it was received.
    pub receive_count: u32,
    /// Its attributes, the reason's among them.
    pub attributes: BTreeMap<String, String>,
    /// Its text.
    pub body: String,
}

/// A deferred message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// Its id.
    pub message_id: MessageId,
    /// When it was sent.
    pub sent_at: SystemTime,
    /// From when on it can be received.
    pub due_at: SystemTime,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its text.
    pub body: String,
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct MessageStoreError {
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// What the store says.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Keeps messages. What a call has put is there after any crash once the call has returned.
#[async_trait]
pub trait MessageStore: Send + Sync + 'static {
    /// Keeps a dead letter, unmarked.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn put_letter(&self, letter: Letter) -> Result<(), MessageStoreError>;

    /// Marks a letter while a copy of it is on its way through the queue, or takes the mark off. A store that is opened
    /// has no mark on any: those copies went with their process.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn mark_redriven(&self, message_id: &MessageId, at: Option<SystemTime>) -> Result<(), MessageStoreError>;

    /// Forgets a letter. One that is gone already is no error.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn remove_letter(&self, message_id: &MessageId) -> Result<(), MessageStoreError>;

    /// All letters, the oldest first.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn letters(&self) -> Result<Vec<Letter>, MessageStoreError>;

    /// Keeps deferred messages, all or none.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn put_deferred(&self, messages: Vec<Deferred>) -> Result<(), MessageStoreError>;

    /// Up to `limit` messages that are due, the longest due first. They are kept until they are removed.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn due(&self, now: SystemTime, limit: usize) -> Result<Vec<Deferred>, MessageStoreError>;

    /// When the first message comes due that is not yet.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, MessageStoreError>;

    /// Forgets a deferred message. One that is gone already is no error.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn remove_deferred(&self, message_id: &MessageId) -> Result<(), MessageStoreError>;

    /// How many deferred messages are kept.
    ///
    /// # Errors
    /// [`MessageStoreError`].
    async fn deferred_depth(&self) -> Result<u64, MessageStoreError>;
}
