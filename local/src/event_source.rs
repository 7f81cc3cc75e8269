//! The part of AWS's event source mapping: polls a queue, invokes the function with batches, deletes what it handled.
//!
//! As AWS documents it ("Using Lambda with Amazon SQS"): a batch is sent when it is full or its window is over; a
//! response names the failed records and all others are deleted; a response that names an unknown or empty record,
//! and an invocation that fails, fail the whole batch, which becomes visible again by its visibility timeout.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use futures::future::join_all;
use session_queue::{
    BATCH_ENTRIES_MAX, MESSAGE_GROUP_ID, Queue, QueueError, ReceiptHandle, ReceiveRequest, ReceivedMessage,
    TRACE_HEADER,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::invoker::Invoker;

/// A long poll, as long as SQS allows (AWS, "`ReceiveMessage`").
const LONG_POLL: Duration = Duration::from_secs(20);
/// How long polling rests after the queue gave an error.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// What SQS keeps apart from a message's own attributes.
const KEPT_APART: [&str; 2] = [TRACE_HEADER, MESSAGE_GROUP_ID];

/// How batches are gathered and how many run at once.
#[derive(Debug, Clone)]
pub struct EventSourceConfig {
    /// Records per invocation, 1 to 10,000 (`BatchSize`).
    pub batch_size: usize,
    /// How long a batch that is not full waits for more (`MaximumBatchingWindowInSeconds`).
    pub batch_window: Duration,
    /// Invocations at a time (`MaximumConcurrency`).
    pub max_concurrency: usize,
    /// How long one invocation may take (the function's timeout).
    pub function_timeout: Duration,
    /// How long a received message stays invisible.
    pub visibility_timeout: Duration,
}

/// An event source mapping from one queue to one function.
pub struct EventSource {
    queue: Arc<dyn Queue>,
    invoker: Arc<dyn Invoker>,
    config: EventSourceConfig,
}

/// Why a response fails its whole batch.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum InvalidResponse {
    #[error("the response names a record with an empty itemIdentifier")]
    EmptyIdentifier,
    #[error("the response names the record {0:?}, which is not in the batch")]
    UnknownIdentifier(String),
}

impl EventSource {
    /// A mapping from `queue` to whatever `invoker` calls.
    pub fn new(queue: Arc<dyn Queue>, invoker: Arc<dyn Invoker>, config: EventSourceConfig) -> Self {
        Self { queue, invoker, config }
    }

    /// Polls until `stop` is cancelled, then waits for the invocations that are running.
    pub async fn run(self, stop: CancellationToken) {
        let source = Arc::new(self);
        let slots = Arc::new(Semaphore::new(source.config.max_concurrency));
        let invocations = TaskTracker::new();
        while let Some((batch, slot)) = source.next_batch(&slots, &stop).await {
            let source = Arc::clone(&source);
            invocations.spawn(async move {
                source.deliver(batch).await;
                drop(slot);
            });
        }
        invocations.close();
        invocations.wait().await;
    }

    /// The next batch, and the slot it runs in. A slot comes first: a message that is received too early only ages.
    async fn next_batch(
        &self,
        slots: &Arc<Semaphore>,
        stop: &CancellationToken,
    ) -> Option<(Vec<ReceivedMessage>, OwnedSemaphorePermit)> {
        let slot = stop
            .run_until_cancelled(Arc::clone(slots).acquire_owned())
            .await?
            .ok()?;
        loop {
            // A receive given up here leaves its messages to their visibility timeout: nothing is lost.
            match stop.run_until_cancelled(self.gather()).await? {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => return Some((batch, slot)),
                Err(error) => {
                    tracing::warn!(queue = self.queue.name(), %error, "cannot receive; trying again");
                    stop.run_until_cancelled(time::sleep(ERROR_PAUSE)).await?;
                }
            }
        }
    }

    async fn gather(&self) -> Result<Vec<ReceivedMessage>, QueueError> {
        let mut batch = self.receive(self.config.batch_size, LONG_POLL).await?;
        let window_ends = time::Instant::now() + self.config.batch_window;
        while !batch.is_empty() && batch.len() < self.config.batch_size {
            let wait = window_ends.saturating_duration_since(time::Instant::now());
            if wait.is_zero() {
                break;
            }
            match self.receive(self.config.batch_size - batch.len(), wait).await {
                Ok(more) => batch.extend(more),
                Err(error) => {
                    tracing::warn!(queue = self.queue.name(), %error, "batch sent before its window was over");
                    break;
                }
            }
        }
        Ok(batch)
    }

    async fn receive(&self, max_messages: usize, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        let visibility_timeout = Some(self.config.visibility_timeout);
        self.queue
            .receive(ReceiveRequest {
                max_messages: max_messages.min(BATCH_ENTRIES_MAX),
                wait,
                visibility_timeout,
            })
            .await
    }

    /// Invokes the function with a batch and deletes what it handled.
    async fn deliver(&self, batch: Vec<ReceivedMessage>) {
        let event = sqs_event(self.queue.name(), &batch);
        let deadline = Instant::now() + self.config.function_timeout;
        let response = match self.invoker.invoke(event, deadline).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(records = batch.len(), %error, "invocation failed; its records will be delivered again");
                return;
            }
        };
        match handled(&batch, &response) {
            Ok(handles) => self.delete(handles).await,
            Err(error) => {
                tracing::error!(records = batch.len(), %error, "invalid response; its records will be delivered again");
            }
        }
    }

    async fn delete(&self, handles: Vec<ReceiptHandle>) {
        let batches = handles
            .chunks(BATCH_ENTRIES_MAX)
            .map(|handles| self.delete_batch(handles.to_vec()));
        join_all(batches).await;
    }

    async fn delete_batch(&self, handles: Vec<ReceiptHandle>) {
        match self.queue.delete_batch(handles).await {
            Ok(outcome) => {
                for error in outcome.entries.into_iter().filter_map(Result::err) {
                    tracing::warn!(%error, "handled message not deleted; it will be delivered once more");
                }
            }
            Err(error) => tracing::warn!(%error, "handled messages not deleted; they will be delivered once more"),
        }
    }
}

/// The receipt handles of the records that the response does not call failed.
fn handled(batch: &[ReceivedMessage], response: &SqsBatchResponse) -> Result<Vec<ReceiptHandle>, InvalidResponse> {
    let known: HashSet<&str> = batch.iter().map(|message| message.message_id.as_str()).collect();
    let mut failed = HashSet::new();
    for failure in &response.batch_item_failures {
        let id = failure.item_identifier.as_str();
        if id.is_empty() {
            return Err(InvalidResponse::EmptyIdentifier);
        }
        if !known.contains(id) {
            return Err(InvalidResponse::UnknownIdentifier(id.to_owned()));
        }
        failed.insert(id);
    }
    Ok(batch
        .iter()
        .filter(|message| !failed.contains(message.message_id.as_str()))
        .map(|message| message.receipt_handle.clone())
        .collect())
}

/// The event as Lambda receives it from SQS (AWS, "Example standard queue message event").
fn sqs_event(queue: &str, batch: &[ReceivedMessage]) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = batch.iter().map(|message| sqs_message(queue, message)).collect();
    event
}

fn sqs_message(queue: &str, message: &ReceivedMessage) -> SqsMessage {
    let epoch_ms = |at: SystemTime| session_clock::epoch_ms(at).to_string();
    let mut record = SqsMessage::default();
    record.message_id = Some(message.message_id.as_str().to_owned());
    record.receipt_handle = Some(message.receipt_handle.as_str().to_owned());
    record.body = Some(message.body.clone());
    record.event_source = Some(String::from("aws:sqs"));
    record.event_source_arn = Some(format!("arn:aws:sqs:local:000000000000:{queue}"));
    record.attributes = [
        (
            String::from("ApproximateReceiveCount"),
            message.receive_count.to_string(),
        ),
        (
            String::from("ApproximateFirstReceiveTimestamp"),
            epoch_ms(message.first_received_at),
        ),
        (String::from("SentTimestamp"), epoch_ms(message.sent_at)),
    ]
    .into();
    for name in KEPT_APART {
        if let Some(value) = message.attributes.get(name) {
            record.attributes.insert(name.to_owned(), value.clone());
        }
    }
    record.message_attributes = message
        .attributes
        .iter()
        .filter(|(name, _)| !KEPT_APART.contains(&name.as_str()))
        .map(|(name, value)| {
            let mut attribute = SqsMessageAttribute::default();
            attribute.data_type = Some(String::from("String"));
            attribute.string_value = Some(value.clone());
            (name.clone(), attribute)
        })
        .collect();
    record
}
