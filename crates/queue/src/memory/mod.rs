//! The queue in memory: SQS's semantics in one process, over a store that keeps dead letters and what
//! waits for its moment.

mod dead_letters;
mod deferred;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    due::Due,
    entry::{BATCH_ENTRIES_MAX, VISIBILITY_TIMEOUT_MAX, WAIT_MAX, check_length, check_sends},
    error::{EntryError, QueueError},
    message_store::{Letter, MessageStore, MessageStoreError},
    queue::{
        Accepted, BatchOutcome, DeferEntry, Depth, MessageId, Queue, ReceiptHandle, ReceiveRequest, ReceivedMessage,
        SendEntry, SendOutcome, Settled, VisibilityEntry,
    },
    redrive::Redriven,
    state::{Moment, Origin, State, Stored},
};

/// How a queue in memory behaves.
#[derive(Debug, Clone)]
pub struct InMemoryConfig {
    /// Its name in logs.
    pub name: String,
    /// How long a received message stays invisible where the receive says nothing.
    pub visibility_timeout: Duration,
    /// The most messages that it holds; further ones are refused until there is room.
    pub capacity: usize,
}

/// A queue in memory.
pub struct InMemoryQueue {
    config: InMemoryConfig,
    state: Mutex<State>,
    changed: Notify,
    store: Arc<dyn MessageStore>,
    role: Role,
}

/// What a queue is for.
enum Role {
    /// To be received from, until a message was received too often (AWS, "Using dead-letter queues").
    Source {
        dead_letters: Arc<InMemoryQueue>,
        max_receive_count: u32,
        due: Due,
    },
    /// To keep what was given up.
    DeadLetters,
}

impl InMemoryQueue {
    /// A queue whose messages go to `dead_letters` at the receive after the `max_receive_count`th. What was deferred in
    /// the store of those is received from this queue when its moment comes.
    #[must_use]
    pub fn new(config: InMemoryConfig, dead_letters: Arc<Self>, max_receive_count: u32) -> Self {
        let store = Arc::clone(&dead_letters.store);
        let due = Due::default();
        let role = Role::Source {
            dead_letters,
            max_receive_count,
            due,
        };
        Self::build(config, store, role)
    }

    /// A queue that keeps its messages for ever, and in a store: the dead-letter queue. Has what the store has.
    ///
    /// # Errors
    /// [`QueueError::Store`] where the store cannot be read.
    pub async fn dead_letters(config: InMemoryConfig, store: Arc<dyn MessageStore>) -> Result<Self, QueueError> {
        let letters = store.letters().await;
        let queue = Self::empty_dead_letters(config, store);
        let now = Instant::now();
        for letter in letters.map_err(|source| queue.store_failed(source))? {
            let origin = Origin::Letter(letter.message_id.clone());
            let mut message = Stored::new(
                letter.message_id,
                letter.body,
                letter.attributes,
                letter.sent_at,
                origin,
            );
            message.receive_count = letter.receive_count;
            queue.state().insert(message, now);
        }
        Ok(queue)
    }

    pub(crate) fn empty_dead_letters(config: InMemoryConfig, store: Arc<dyn MessageStore>) -> Self {
        Self::build(config, store, Role::DeadLetters)
    }

    fn build(config: InMemoryConfig, store: Arc<dyn MessageStore>, role: Role) -> Self {
        Self {
            config,
            state: Mutex::default(),
            changed: Notify::new(),
            store,
            role,
        }
    }

    /// The messages are never left half changed, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_failed(&self, source: MessageStoreError) -> QueueError {
        QueueError::Store {
            queue: self.config.name.clone(),
            source,
        }
    }

    async fn send(&self, entry: SendEntry) -> Result<Result<Accepted, EntryError>, QueueError> {
        if let Err(error) = entry.check() {
            return Ok(Err(error));
        }
        let message_id = MessageId::new(session_clock::uuid().to_string());
        let visible_at = Instant::now() + entry.delay;
        let (body, attributes, sent_at) = (entry.body, entry.attributes, session_clock::now());
        let (message, settled) = match &self.role {
            // A dead letter is as safe as it will ever be once it is in the store.
            Role::DeadLetters => {
                let origin = Origin::Letter(message_id.clone());
                let letter = Stored::new(message_id.clone(), body, attributes, sent_at, origin);
                (letter, Settled::Now)
            }
            Role::Source { .. } => {
                let (settle, settled) = oneshot::channel();
                let mut message = Stored::new(message_id.clone(), body, attributes, sent_at, Origin::Sent);
                message.settle = Some(settle);
                (message, Settled::Later(settled))
            }
        };
        let accepted = self.accept(message, visible_at).await?;
        Ok(accepted.map(|()| Accepted { message_id, settled }))
    }

    /// Adds a message: a dead letter to the store first.
    async fn accept(&self, message: Stored, visible_at: Instant) -> Result<Result<(), EntryError>, QueueError> {
        let capacity = self.config.capacity;
        if self.state().len() >= capacity {
            return Ok(Err(EntryError::Full { capacity }));
        }
        if matches!(self.role, Role::DeadLetters) {
            let letter = Letter {
                message_id: message.message_id.clone(),
                sent_at: message.sent_at,
                receive_count: message.receive_count,
                attributes: message.attributes.clone(),
                body: message.body.clone(),
            };
            let put = self.store.put_letter(letter).await;
            put.map_err(|source| self.store_failed(source))?;
        }
        self.state().insert(message, visible_at);
        self.changed.notify_waiters();
        Ok(Ok(()))
    }

    /// The message is done with: the store forgets it, and its sender may.
    async fn settle(&self, message: Stored) -> Result<(), QueueError> {
        self.forget(&message.message_id, &message.origin).await?;
        settle_now(message.settle);
        Ok(())
    }

    async fn forget(&self, message_id: &MessageId, origin: &Origin) -> Result<(), QueueError> {
        let forgotten = match origin {
            Origin::Sent => Ok(()),
            Origin::Deferred => self.store.remove_deferred(message_id).await,
            Origin::Letter(letter) => self.store.remove_letter(letter).await,
        };
        forgotten.map_err(|source| self.store_failed(source))
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<Result<(), EntryError>, QueueError> {
        let origin = self.state().origin(handle);
        match origin {
            Ok(Some((message_id, origin))) => self.forget(&message_id, &origin).await?,
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
        let deleted = self.state().delete(handle);
        Ok(deleted.map(|message| settle_now(message.and_then(|message| message.settle))))
    }

    /// Waits until a message may be visible. `false` once `until` has passed.
    async fn wait_visible(&self, until: Instant) -> bool {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        // Enabled before the look at the state, so that a message that comes in between is not missed.
        changed.as_mut().enable();
        let now = Instant::now();
        let next = self.state().next_visible_at();
        if now >= until {
            return false;
        }
        let due = match &self.role {
            Role::Source { due, .. } => due.next().map(session_clock::instant),
            Role::DeadLetters => None,
        };
        let wake_at = [next, due].into_iter().flatten().fold(until, Instant::min);
        if wake_at > now {
            // Either way there is something to look at again.
            let _ = timeout_at(wake_at, changed).await;
        }
        true
    }
}

#[async_trait]
impl Queue for InMemoryQueue {
    fn name(&self) -> &str {
        &self.config.name
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        check_sends(&entries)?;
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            answers.push(self.send(entry).await?);
        }
        Ok(SendOutcome { entries: answers })
    }

    async fn defer_batch(&self, entries: Vec<DeferEntry>) -> Result<BatchOutcome, QueueError> {
        self.defer_all(entries).await
    }

    async fn redrive(&self, _dead_letters: &dyn Queue, limit: usize) -> Result<Redriven, QueueError> {
        self.redrive_letters(limit).await
    }

    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        let visibility_timeout = request.visibility_timeout.unwrap_or(self.config.visibility_timeout);
        in_range("the wait of a receive", request.wait, WAIT_MAX)?;
        in_range(
            "the visibility timeout of a receive",
            visibility_timeout,
            VISIBILITY_TIMEOUT_MAX,
        )?;
        if !(1..=BATCH_ENTRIES_MAX).contains(&request.max_messages) {
            return Err(QueueError::BatchLength {
                entries: request.max_messages,
            });
        }
        let until = Instant::now() + request.wait;
        loop {
            self.bring_due().await?;
            self.move_exhausted(request.max_messages).await;
            let now = Moment {
                instant: Instant::now(),
                system: session_clock::now(),
            };
            let received = self.state().receive(now, request.max_messages, visibility_timeout);
            if !received.is_empty() || !self.wait_visible(until).await {
                return Ok(received);
            }
        }
    }

    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        check_length(entries.len())?;
        let now = Instant::now();
        let change = |entry: VisibilityEntry| {
            self.state()
                .change_visibility(&entry.receipt_handle, now, entry.timeout)
        };
        let entries = entries.into_iter().map(change).collect();
        self.changed.notify_waiters();
        Ok(BatchOutcome { entries })
    }

    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        check_length(receipt_handles.len())?;
        let mut entries = Vec::with_capacity(receipt_handles.len());
        for handle in receipt_handles {
            entries.push(self.delete(&handle).await?);
        }
        Ok(BatchOutcome { entries })
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let mut depth = self.state().depth(Instant::now());
        if let Role::Source { .. } = self.role {
            let kept = self.store.deferred_depth().await;
            let kept = kept.map_err(|source| self.store_failed(source))?;
            let in_memory = u64::try_from(self.state().deferred()).unwrap_or(u64::MAX);
            depth.deferred = kept.saturating_sub(in_memory);
        }
        Ok(depth)
    }
}

fn settle_now(settle: Option<oneshot::Sender<()>>) {
    if let Some(settle) = settle {
        // A sender that does not wait for it is none of the queue's business.
        let _ = settle.send(());
    }
}

fn in_range(field: &'static str, value: Duration, max: Duration) -> Result<(), QueueError> {
    if value <= max {
        Ok(())
    } else {
        Err(QueueError::OutOfRange { field, value, max })
    }
}
