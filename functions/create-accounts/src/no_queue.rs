//! The queue of a function that has none, as under `cargo lambda invoke` with an event file.
//!
//! Without a queue there is nowhere for a dead letter to go, and no visibility timeout to change. Every call says so by
//! an error, so that the handler reports a record that it cannot dead-letter as failed instead of losing it.

use async_trait::async_trait;
use session_queue::{
    BatchOutcome, Depth, Queue, QueueError, ReceiptHandle, ReceiveRequest, ReceivedMessage, SendEntry, SendOutcome,
    VisibilityEntry,
};

/// A queue that takes nothing and has nothing.
pub(crate) struct NoQueue;

/// What every call answers.
#[derive(Debug, thiserror::Error)]
#[error("no queue is configured; set queue.kind = \"sqs\", queue.url and queue.dead_letter_url")]
struct NotConfigured;

fn not_configured(operation: &'static str) -> QueueError {
    QueueError::Service {
        queue: String::from("none"),
        operation,
        retryable: false,
        source: Box::new(NotConfigured),
    }
}

#[async_trait]
impl Queue for NoQueue {
    fn name(&self) -> &'static str {
        "none"
    }

    async fn send_batch(&self, _entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        Err(not_configured("a send"))
    }

    async fn receive(&self, _request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        Err(not_configured("a receive"))
    }

    async fn change_visibility_batch(&self, _entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        Err(not_configured("a change of visibility"))
    }

    async fn delete_batch(&self, _receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        Err(not_configured("a delete"))
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Err(not_configured("the depth"))
    }
}
