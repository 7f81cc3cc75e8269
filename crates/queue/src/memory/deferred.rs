//! Messages that wait for their moment: kept in the store, and brought into memory when it comes.

use std::time::Duration;

use tokio::time::Instant;

use super::{InMemoryQueue, Role};
use crate::{
    entry::check_length,
    error::{EntryError, QueueError},
    message_store::Deferred,
    queue::{BatchOutcome, DeferEntry, MessageId, SendEntry},
    state::{Origin, Stored},
};

/// Deferred messages that are in memory at a time, due and not done with.
const DUE_MAX: usize = 1_000;
/// Deferred messages that are brought into memory at once.
const DUE_STEP: usize = 100;
/// When to look again for deferred messages where there is no room for more.
const DUE_PAUSE: Duration = Duration::from_secs(1);
/// Deferred messages that a store keeps; more are refused.
const DEFERRED_MAX: u64 = 1_000_000;

impl InMemoryQueue {
    pub(super) async fn defer_all(&self, entries: Vec<DeferEntry>) -> Result<BatchOutcome, QueueError> {
        check_length(entries.len())?;
        let Role::Source { due, .. } = &self.role else {
            return Err(QueueError::NoDeferral {
                queue: self.config.name.clone(),
            });
        };
        let kept = self.store.deferred_depth().await;
        let full = kept.map_err(|source| self.store_failed(source))? >= DEFERRED_MAX;
        let (mut answers, mut messages) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            if full {
                answers.push(Err(EntryError::Full {
                    capacity: usize::try_from(DEFERRED_MAX).unwrap_or(usize::MAX),
                }));
                continue;
            }
            match deferred(entry) {
                Ok(message) => {
                    messages.push(message);
                    answers.push(Ok(()));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        if let Some(first) = messages.iter().map(|message| message.due_at).min() {
            let put = self.store.put_deferred(messages).await;
            put.map_err(|source| self.store_failed(source))?;
            due.came(first);
            self.changed.notify_waiters();
        }
        Ok(BatchOutcome { entries: answers })
    }

    /// Brings deferred messages whose moment has come into memory.
    pub(super) async fn bring_due(&self) -> Result<(), QueueError> {
        let Role::Source { due, .. } = &self.role else {
            return Ok(());
        };
        let now = session_clock::now();
        let Some(looked_at) = due.begin_look(now) else {
            return Ok(());
        };
        let in_memory = self.state().deferred();
        let wanted = DUE_STEP.min(DUE_MAX.saturating_sub(in_memory));
        // Those in memory are in the store as well, and come first.
        let found = self.store.due(now, in_memory + wanted).await;
        let found = found.map_err(|source| self.store_failed(source))?;
        let all_found = found.len() < in_memory + wanted;
        let next = self.store.next_due(now).await;
        let next = next.map_err(|source| self.store_failed(source))?;
        let brought = self.insert_due(found);
        due.end_look(
            looked_at,
            match (all_found, brought) {
                (true, _) => next,
                // Those in memory have to go first.
                (false, 0) => Some(now + DUE_PAUSE),
                (false, _) => Some(now),
            },
        );
        Ok(())
    }

    fn insert_due(&self, found: Vec<Deferred>) -> usize {
        let mut state = self.state();
        let mut brought = 0;
        for message in found {
            if !state.contains(&message.message_id) {
                let (id, at) = (message.message_id, message.sent_at);
                let message = Stored::new(id, message.body, message.attributes, at, Origin::Deferred);
                state.insert(message, Instant::now());
                brought += 1;
            }
        }
        brought
    }
}

/// What is kept of an entry from now until its moment.
fn deferred(entry: DeferEntry) -> Result<Deferred, EntryError> {
    let checked = SendEntry {
        body: entry.body,
        attributes: entry.attributes,
        delay: Duration::ZERO,
    };
    checked.check()?;
    let now = session_clock::now();
    Ok(Deferred {
        message_id: MessageId::new(session_clock::uuid().to_string()),
        sent_at: now,
        due_at: now + entry.delay,
        attributes: checked.attributes,
        body: checked.body,
    })
}
