//! The queue in memory: SQS's semantics in one process, with the dead letters on disk.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use crate::{
    entry::{BATCH_ENTRIES_MAX, VISIBILITY_TIMEOUT_MAX, WAIT_MAX, check_length, check_sends},
    error::{EntryError, QueueError},
    journal::{DeadLetterJournal, JournalError, JournalFault, Letter, epoch_ms},
    queue::{
        Accepted, BatchOutcome, Depth, MessageId, Queue, ReceiptHandle, ReceiveRequest, ReceivedMessage, SendEntry,
        SendOutcome, Settled, VisibilityEntry,
    },
    state::{Moment, State, Stored},
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
    journal: Option<DeadLetterJournal>,
    redrive: Option<Redrive>,
}

/// Where messages go that were received too often (AWS, "Using dead-letter queues").
struct Redrive {
    dead_letters: Arc<InMemoryQueue>,
    max_receive_count: u32,
}

/// A message on its way to the dead-letter queue. It returns to its queue if the move fails, or is broken off because
/// the receive was: whoever polls may stop at any instant.
struct Moving<'queue> {
    queue: &'queue InMemoryQueue,
    message: Option<Stored>,
}

impl Moving<'_> {
    fn done(mut self) {
        settle_now(self.message.take().and_then(|message| message.settle));
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.queue.state().insert(message, Instant::now());
            self.queue.changed.notify_waiters();
        }
    }
}

impl InMemoryQueue {
    /// A queue whose messages go to `dead_letters` at the receive after the `max_receive_count`th.
    #[must_use]
    pub fn new(config: InMemoryConfig, dead_letters: Arc<Self>, max_receive_count: u32) -> Self {
        Self::build(
            config,
            None,
            Some(Redrive {
                dead_letters,
                max_receive_count,
            }),
        )
    }

    /// A queue that keeps its messages for ever, and on disk: the dead-letter queue. Reads what the disk has, and
    /// says which files there are no dead letters.
    ///
    /// # Errors
    /// [`JournalError`] where the folder cannot be read.
    pub fn dead_letters(
        config: InMemoryConfig,
        journal: DeadLetterJournal,
    ) -> Result<(Self, Vec<JournalFault>), JournalError> {
        let (letters, faults) = journal.read_all()?;
        let queue = Self::build(config, Some(journal), None);
        let now = Instant::now();
        for letter in letters {
            let sent_at = letter.sent_at();
            let message_id = MessageId::new(letter.message_id);
            let mut message = Stored::new(message_id, letter.body, letter.attributes, sent_at, None);
            message.receive_count = letter.receive_count;
            queue.state().insert(message, now);
        }
        Ok((queue, faults))
    }

    fn build(config: InMemoryConfig, journal: Option<DeadLetterJournal>, redrive: Option<Redrive>) -> Self {
        Self {
            config,
            state: Mutex::default(),
            changed: Notify::new(),
            journal,
            redrive,
        }
    }

    /// The messages are never left half changed, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, entry: SendEntry) -> Result<Result<Accepted, EntryError>, QueueError> {
        if let Err(error) = entry.check() {
            return Ok(Err(error));
        }
        let (settle, settled) = oneshot::channel();
        // A dead letter is as safe as it will ever be once it is on disk.
        let (settle, settled) = if self.journal.is_some() {
            (None, Settled::Now)
        } else {
            (Some(settle), Settled::Later(settled))
        };
        let message_id = MessageId::new(Uuid::new_v4().to_string());
        let visible_at = Instant::now() + entry.delay;
        let message = Stored::new(
            message_id.clone(),
            entry.body,
            entry.attributes,
            SystemTime::now(),
            settle,
        );
        Ok(self
            .accept(message, visible_at)
            .await?
            .map(|()| Accepted { message_id, settled }))
    }

    /// Adds a message: to the disk first, where the queue has one.
    async fn accept(&self, message: Stored, visible_at: Instant) -> Result<Result<(), EntryError>, QueueError> {
        let capacity = self.config.capacity;
        if self.state().len() >= capacity {
            return Ok(Err(EntryError::Full { capacity }));
        }
        self.write(&message).await?;
        self.state().insert(message, visible_at);
        self.changed.notify_waiters();
        Ok(Ok(()))
    }

    async fn write(&self, message: &Stored) -> Result<(), JournalError> {
        let Some(journal) = self.journal.clone() else {
            return Ok(());
        };
        let letter = Letter {
            message_id: message.message_id.as_str().to_owned(),
            sent_at_ms: epoch_ms(message.sent_at),
            receive_count: message.receive_count,
            attributes: message.attributes.clone(),
            body: message.body.clone(),
        };
        on_disk(move || journal.write(&letter)).await
    }

    /// Moves the messages that this receive would be one too many for.
    async fn move_exhausted(&self, max_messages: usize) {
        let Some(redrive) = &self.redrive else { return };
        for moving in self.take_exhausted(redrive.max_receive_count, max_messages) {
            let Some(message) = &moving.message else { continue };
            let message_id = &message.message_id;
            match redrive.dead_letters.accept(message.copy(), Instant::now()).await {
                Ok(Ok(())) => moving.done(),
                Ok(Err(error)) => {
                    tracing::error!(%message_id, %error, "message cannot move to the dead-letter queue; it stays");
                }
                Err(error) => {
                    tracing::error!(%message_id, %error, "message cannot move to the dead-letter queue; it stays");
                }
            }
        }
    }

    fn take_exhausted(&self, max_receive_count: u32, max_messages: usize) -> Vec<Moving<'_>> {
        let exhausted = self
            .state()
            .take_exhausted(Instant::now(), max_receive_count, max_messages);
        let moving = |message| Moving {
            queue: self,
            message: Some(message),
        };
        exhausted.into_iter().map(moving).collect()
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
        let wake_at = next.map_or(until, |next| next.min(until));
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
            self.move_exhausted(request.max_messages).await;
            let now = Moment {
                instant: Instant::now(),
                system: SystemTime::now(),
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
            let deleted = self.state().delete(&handle);
            if let (Ok(Some(message)), Some(journal)) = (&deleted, self.journal.clone()) {
                let message_id = message.message_id.clone();
                on_disk(move || journal.remove(&message_id)).await?;
            }
            entries.push(deleted.map(|message| settle_now(message.and_then(|message| message.settle))));
        }
        Ok(BatchOutcome { entries })
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(self.state().depth(Instant::now()))
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

/// Runs a blocking disk operation where it holds up no other task.
async fn on_disk<F>(operation: F) -> Result<(), JournalError>
where
    F: FnOnce() -> Result<(), JournalError> + Send + 'static,
{
    match tokio::task::spawn_blocking(operation).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
