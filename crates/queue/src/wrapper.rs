//! A queue in front of another: what it does not do itself, the other does.

use async_trait::async_trait;

use crate::{
    BatchOutcome, DeferEntry, Depth, Queue, QueueError, ReceiptHandle, ReceiveRequest, ReceivedMessage, Redriven,
    SendEntry, SendOutcome, VisibilityEntry,
};

/// What stands in front of a queue, to see or to change some of what is asked of it. It is a [`Queue`] itself: each
/// operation is the other's own until it is written here, and a new one of the trait is nowhere forgotten.
#[async_trait]
pub trait QueueWrapper: Send + Sync + 'static {
    /// The queue behind it.
    fn inner(&self) -> &dyn Queue;

    /// As [`Queue::send_batch`].
    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        self.inner().send_batch(entries).await
    }

    /// As [`Queue::defer_batch`].
    async fn defer_batch(&self, entries: Vec<DeferEntry>) -> Result<BatchOutcome, QueueError> {
        self.inner().defer_batch(entries).await
    }

    /// As [`Queue::receive`].
    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.inner().receive(request).await
    }

    /// As [`Queue::change_visibility_batch`].
    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        self.inner().change_visibility_batch(entries).await
    }

    /// As [`Queue::delete_batch`].
    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        self.inner().delete_batch(receipt_handles).await
    }
}

#[async_trait]
impl<W: QueueWrapper> Queue for W {
    fn name(&self) -> &str {
        self.inner().name()
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        QueueWrapper::send_batch(self, entries).await
    }

    async fn defer_batch(&self, entries: Vec<DeferEntry>) -> Result<BatchOutcome, QueueError> {
        QueueWrapper::defer_batch(self, entries).await
    }

    async fn redrive(&self, dead_letters: &dyn Queue, limit: usize) -> Result<Redriven, QueueError> {
        self.inner().redrive(dead_letters, limit).await
    }

    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        QueueWrapper::receive(self, request).await
    }

    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        QueueWrapper::change_visibility_batch(self, entries).await
    }

    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        QueueWrapper::delete_batch(self, receipt_handles).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.inner().depth().await
    }
}
