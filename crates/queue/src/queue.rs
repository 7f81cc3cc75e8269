//! The trait that every queue implements, and what goes in and out of it.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::{
    entry::{DELAY_MAX, size_bytes},
    error::{EntryError, QueueError},
    redrive::{Redriven, redrive_between},
};

/// A queue with the semantics of an SQS standard queue: at-least-once, no order promised.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// The queue's name, for logs.
    fn name(&self) -> &str;

    /// Sends up to 10 messages of 1 MiB in total. Each entry has its own answer, in the order of the entries.
    ///
    /// # Errors
    /// [`QueueError`] where the batch as a whole was not taken.
    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError>;

    /// Sends up to 10 messages that wait for a moment. Once an entry is answered its message outlives any crash, so the
    /// message that it takes the place of may be deleted. A queue that cannot delay for so long makes the message visible
    /// earlier.
    ///
    /// # Errors
    /// [`QueueError`] where the batch as a whole was not taken.
    async fn defer_batch(&self, entries: Vec<DeferEntry>) -> Result<BatchOutcome, QueueError> {
        let entries = entries.into_iter().map(DeferEntry::into_send).collect();
        let sent = self.send_batch(entries).await?;
        let entries = sent.entries.into_iter().map(|answer| answer.map(drop)).collect();
        Ok(BatchOutcome { entries })
    }

    /// Takes up to `limit` messages back from its dead-letter queue, with their attempts counted anew and the reason
    /// taken off. No crash loses one.
    ///
    /// # Errors
    /// [`QueueError`] of either queue; what was moved before stays moved.
    async fn redrive(&self, dead_letters: &dyn Queue, limit: usize) -> Result<Redriven, QueueError> {
        redrive_between(dead_letters, self, limit).await
    }

    /// Receives up to 10 visible messages, waiting for the first as long as the request says.
    ///
    /// # Errors
    /// [`QueueError`] where the queue could not be asked. No message is lost by it.
    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError>;

    /// Sets anew how long up to 10 received messages stay invisible.
    ///
    /// # Errors
    /// [`QueueError`] where the batch as a whole was not taken.
    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError>;

    /// Deletes up to 10 received messages.
    ///
    /// # Errors
    /// [`QueueError`] where the batch as a whole was not taken.
    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError>;

    /// How many messages there are, approximately.
    ///
    /// # Errors
    /// [`QueueError`] where the queue could not be asked.
    async fn depth(&self) -> Result<Depth, QueueError>;
}

/// A message's id, given by the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(String);

/// What deletes a message or changes its visibility; different for every receive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceiptHandle(String);

macro_rules! text {
    ($type:ident) => {
        impl $type {
            /// Takes a queue's own text as it is.
            #[must_use]
            pub fn new(text: String) -> Self {
                Self(text)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text!(MessageId);
text!(ReceiptHandle);

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendEntry {
    /// The text, 1 byte to 1 MiB together with the attributes.
    pub body: String,
    /// String attributes, at most 10.
    pub attributes: BTreeMap<String, String>,
    /// How long the message stays invisible at first, up to 15 minutes.
    pub delay: Duration,
}

/// A message to send that waits for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferEntry {
    /// The text.
    pub body: String,
    /// String attributes, at most 10.
    pub attributes: BTreeMap<String, String>,
    /// How long the message waits from now on.
    pub delay: Duration,
}

impl DeferEntry {
    /// The message as one that is sent with as much of its delay as a queue takes.
    #[must_use]
    pub fn into_send(self) -> SendEntry {
        SendEntry {
            body: self.body,
            attributes: self.attributes,
            delay: self.delay.min(DELAY_MAX),
        }
    }

    /// What the entry counts against the limits, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_bytes(&self.body, &self.attributes)
    }
}

/// The answers to a batch of sends, in the order of its entries.
#[derive(Debug)]
pub struct SendOutcome {
    /// One answer per entry.
    pub entries: Vec<Result<Accepted, EntryError>>,
}

/// A message that the queue has taken.
#[derive(Debug)]
pub struct Accepted {
    /// Its id.
    pub message_id: MessageId,
    /// When the sender may forget it.
    pub settled: Settled,
}

/// When a sender need not remember a message any more: with SQS as soon as it is accepted, with a queue in memory once
/// it was deleted or is a dead letter on disk (`docs/invariants.md`, 1).
#[derive(Debug)]
pub enum Settled {
    /// The queue itself outlives any crash.
    Now,
    /// Resolves when the message is done with; fails when the queue is dropped before.
    Later(oneshot::Receiver<()>),
}

impl Settled {
    /// Waits until the message is settled. `false` if the queue went before that: the message has to be sent again.
    pub async fn wait(self) -> bool {
        match self {
            Self::Now => true,
            Self::Later(settled) => settled.await.is_ok(),
        }
    }
}

/// What to receive.
#[derive(Debug, Clone, Copy)]
pub struct ReceiveRequest {
    /// At most this many messages, 1 to 10.
    pub max_messages: usize,
    /// How long to wait for a first message, up to 20 s (long polling).
    pub wait: Duration,
    /// How long the received messages stay invisible, up to 12 h; the queue's default if absent.
    pub visibility_timeout: Option<Duration>,
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Its id, the same at every receive.
    pub message_id: MessageId,
    /// Its handle, for this receive.
    pub receipt_handle: ReceiptHandle,
    /// Its text.
    pub body: String,
    /// Its string attributes.
    pub attributes: BTreeMap<String, String>,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was received for the first time.
    pub first_received_at: SystemTime,
    /// When it was sent.
    pub sent_at: SystemTime,
}

/// A new visibility timeout for a received message.
#[derive(Debug, Clone)]
pub struct VisibilityEntry {
    /// The message's handle.
    pub receipt_handle: ReceiptHandle,
    /// How long from now the message stays invisible, up to 12 h; zero makes it visible at once.
    pub timeout: Duration,
}

/// The answers to a batch of changes, in the order of its entries.
#[derive(Debug)]
pub struct BatchOutcome {
    /// One answer per entry.
    pub entries: Vec<Result<(), EntryError>>,
}

/// Approximate numbers of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Received, and neither deleted nor visible again.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
    /// Deferred, and kept in a store until their moment comes; with SQS they are among the delayed.
    pub deferred: u64,
}

impl Depth {
    /// All messages that have to be served, now or after their delay. What waits in a store is safe there, and does not
    /// count.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}
