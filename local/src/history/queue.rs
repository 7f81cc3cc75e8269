//! A queue whose new messages are told of: the event that was seen, and its message.

use std::sync::Arc;

use async_trait::async_trait;
use session_queue::{
    BatchOutcome, DeferEntry, Depth, Queue, QueueError, ReceiptHandle, ReceiveRequest, ReceivedMessage, Redriven,
    SendEntry, SendOutcome, VisibilityEntry,
};

use super::{Historian, chapters};

pub(super) struct ToldQueue {
    queue: Arc<dyn Queue>,
    historian: Historian,
}

impl ToldQueue {
    pub(super) fn new(queue: Arc<dyn Queue>, historian: Historian) -> Self {
        Self { queue, historian }
    }
}

#[async_trait]
impl Queue for ToldQueue {
    fn name(&self) -> &str {
        self.queue.name()
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        let at = session_clock::now();
        let bodies: Vec<String> = entries.iter().map(|entry| entry.body.clone()).collect();
        let outcome = self.queue.send_batch(entries).await?;
        for (body, answer) in bodies.iter().zip(&outcome.entries) {
            let Ok(accepted) = answer else { continue };
            self.historian
                .tell_all(chapters::queued(body, &accepted.message_id, at));
        }
        Ok(outcome)
    }

    async fn defer_batch(&self, entries: Vec<DeferEntry>) -> Result<BatchOutcome, QueueError> {
        // Told by the record's end, with the reason.
        self.queue.defer_batch(entries).await
    }

    async fn redrive(&self, dead_letters: &dyn Queue, limit: usize) -> Result<Redriven, QueueError> {
        self.queue.redrive(dead_letters, limit).await
    }

    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.queue.receive(request).await
    }

    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        self.queue.change_visibility_batch(entries).await
    }

    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        self.queue.delete_batch(receipt_handles).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
}
