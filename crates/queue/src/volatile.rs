//! A queue and its dead-letter queue that go with their process, letters and deferred messages included: for tests, and
//! for a chain that goes with its process too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;

use crate::{
    memory::{InMemoryConfig, InMemoryQueue},
    message_store::{Deferred, Letter, MessageStore, MessageStoreError},
    queue::MessageId,
};

impl InMemoryQueue {
    /// A queue and its dead-letter queue, both empty, over nothing that lasts.
    #[must_use]
    pub fn volatile(config: InMemoryConfig, dead_letters: InMemoryConfig, max_receive_count: u32) -> (Self, Arc<Self>) {
        let dead_letters = Arc::new(Self::empty_dead_letters(dead_letters, Arc::new(Volatile::default())));
        (
            Self::new(config, Arc::clone(&dead_letters), max_receive_count),
            dead_letters,
        )
    }
}

#[derive(Debug, Default)]
struct Volatile {
    letters: Mutex<BTreeMap<MessageId, Letter>>,
    deferred: Mutex<BTreeMap<(SystemTime, MessageId), Deferred>>,
}

/// Whole entries come and go, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl MessageStore for Volatile {
    async fn put_letter(&self, letter: Letter) -> Result<(), MessageStoreError> {
        lock(&self.letters).insert(letter.message_id.clone(), letter);
        Ok(())
    }

    async fn mark_redriven(&self, _message_id: &MessageId, _at: Option<SystemTime>) -> Result<(), MessageStoreError> {
        // Nobody can open this store anew and find a mark.
        Ok(())
    }

    async fn remove_letter(&self, message_id: &MessageId) -> Result<(), MessageStoreError> {
        lock(&self.letters).remove(message_id);
        Ok(())
    }

    async fn letters(&self) -> Result<Vec<Letter>, MessageStoreError> {
        let mut letters: Vec<Letter> = lock(&self.letters).values().cloned().collect();
        letters.sort_by_key(|letter| letter.sent_at);
        Ok(letters)
    }

    async fn put_deferred(&self, messages: Vec<Deferred>) -> Result<(), MessageStoreError> {
        let entries = messages
            .into_iter()
            .map(|message| ((message.due_at, message.message_id.clone()), message));
        lock(&self.deferred).extend(entries);
        Ok(())
    }

    async fn due(&self, now: SystemTime, limit: usize) -> Result<Vec<Deferred>, MessageStoreError> {
        let deferred = lock(&self.deferred);
        let due = deferred.values().take_while(|message| message.due_at <= now);
        Ok(due.take(limit).cloned().collect())
    }

    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, MessageStoreError> {
        let deferred = lock(&self.deferred);
        Ok(deferred.keys().map(|(due_at, _)| *due_at).find(|due_at| *due_at > now))
    }

    async fn remove_deferred(&self, message_id: &MessageId) -> Result<(), MessageStoreError> {
        lock(&self.deferred).retain(|(_, id), _| id != message_id);
        Ok(())
    }

    async fn deferred_depth(&self) -> Result<u64, MessageStoreError> {
        Ok(u64::try_from(lock(&self.deferred).len()).unwrap_or(u64::MAX))
    }
}
