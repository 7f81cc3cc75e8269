//! The queue that a case runs on, with one-message calls.

use std::{sync::Arc, time::Duration};

use session_queue::{
    Accepted, EntryError, InMemoryConfig, InMemoryQueue, Queue, QueueError, ReceiptHandle, ReceiveRequest,
    ReceivedMessage, SendEntry, VisibilityEntry,
};
use session_store::Store;
use session_tests::sqs_server::{QueueAttributes, SqsServer};
use tempfile::TempDir;

/// SQS counts in whole seconds, and a case waits for each of them.
pub(crate) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const MAX_RECEIVE_COUNT: u32 = 2;
/// Long enough for whatever is waited for.
pub(crate) const LONG: Duration = Duration::from_secs(10);

/// A queue and its dead-letter queue, both empty.
pub(crate) struct Subject {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) dead_letters: Arc<dyn Queue>,
    _folder: Option<TempDir>,
}

impl Subject {
    pub(crate) async fn in_memory() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = |name: &str| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: VISIBILITY_TIMEOUT,
            capacity: 100,
        };
        let store = Arc::new(Store::open(folder.path()).await.unwrap());
        let dead_letters = InMemoryQueue::dead_letters(config("dead-letters"), store).await;
        let dead_letters = Arc::new(dead_letters.unwrap());
        let queue = InMemoryQueue::new(config("sessions"), Arc::clone(&dead_letters), MAX_RECEIVE_COUNT);
        Self {
            queue: Arc::new(queue),
            dead_letters,
            _folder: Some(folder),
        }
    }

    pub(crate) async fn on(server: &SqsServer) -> Self {
        let attributes = QueueAttributes {
            visibility_timeout: VISIBILITY_TIMEOUT,
            max_receive_count: MAX_RECEIVE_COUNT,
        };
        let pair = server.create(attributes).await;
        Self {
            queue: Arc::new(pair.source().await),
            dead_letters: Arc::new(pair.dead_letters().await),
            _folder: None,
        }
    }

    pub(crate) async fn send(&self, body: &str) -> Accepted {
        self.send_entry(entry(body)).await.unwrap()
    }

    pub(crate) async fn send_entry(&self, entry: SendEntry) -> Result<Accepted, EntryError> {
        self.queue.send_batch(vec![entry]).await.unwrap().entries.remove(0)
    }

    /// Receives one message that is visible now.
    pub(crate) async fn receive_now(&self) -> Option<ReceivedMessage> {
        self.receive(Duration::ZERO).await
    }

    /// Receives one message, which has to come within [`LONG`].
    pub(crate) async fn receive_next(&self) -> ReceivedMessage {
        self.receive(LONG).await.unwrap()
    }

    async fn receive(&self, wait: Duration) -> Option<ReceivedMessage> {
        receive(self.queue.as_ref(), 1, wait).await.pop()
    }

    /// One answer, whether the entry or the whole call failed: SQS does the one, some servers the other.
    pub(crate) async fn change_visibility(&self, handle: &ReceiptHandle, timeout: Duration) -> Result<(), Refusal> {
        let entry = VisibilityEntry {
            receipt_handle: handle.clone(),
            timeout,
        };
        let outcome = self
            .queue
            .change_visibility_batch(vec![entry])
            .await
            .map_err(Refusal::Call)?;
        outcome.entries.into_iter().next().unwrap().map_err(Refusal::Entry)
    }

    pub(crate) async fn delete(&self, handle: &ReceiptHandle) -> Result<(), EntryError> {
        let outcome = self.queue.delete_batch(vec![handle.clone()]).await.unwrap();
        outcome.entries.into_iter().next().unwrap()
    }
}

#[derive(Debug)]
pub(crate) enum Refusal {
    Call(QueueError),
    Entry(EntryError),
}

impl Refusal {
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Call(error) => error.is_retryable(),
            Self::Entry(error) => error.is_retryable(),
        }
    }
}

pub(crate) fn entry(body: &str) -> SendEntry {
    let attributes = [("event_type", "PDAComputedEvent"), ("slot", "7")];
    SendEntry {
        body: body.to_owned(),
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        delay: Duration::ZERO,
    }
}

pub(crate) async fn receive(queue: &dyn Queue, max_messages: usize, wait: Duration) -> Vec<ReceivedMessage> {
    let request = ReceiveRequest {
        max_messages,
        wait,
        visibility_timeout: None,
    };
    queue.receive(request).await.unwrap()
}
