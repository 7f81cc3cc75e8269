//! A queue whose every operation is seen by whoever watches over it. What comes of them is the queue's own.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use session_queue::{
    BatchOutcome, DeferEntry, EntryError, Queue, QueueError, QueueWrapper, ReceiptHandle, ReceiveRequest,
    ReceivedMessage, SendEntry, SendOutcome, VisibilityEntry,
};

use super::pulse::{Operation, Pulse};

/// Somebody who sees messages pass.
pub trait Passing: Send + Sync + 'static {
    /// A message with these attributes is about to be sent.
    fn enters(&self, attributes: &BTreeMap<String, String>);
    /// The queue did not take it.
    fn turned_away(&self, attributes: &BTreeMap<String, String>);
    /// A message was received.
    fn received(&self, message: &ReceivedMessage);
}

/// A queue that is watched.
pub struct WatchedQueue {
    queue: Arc<dyn Queue>,
    pulse: Arc<Pulse>,
    passing: Option<Arc<dyn Passing>>,
}

impl WatchedQueue {
    /// Watches over a queue.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, pulse: Arc<Pulse>, passing: Option<Arc<dyn Passing>>) -> Self {
        Self { queue, pulse, passing }
    }

    /// Notes how an operation went, and hands on its answer.
    fn note<T>(&self, operation: Operation, answer: Result<T, QueueError>) -> Result<T, QueueError> {
        match &answer {
            Ok(_) => self.pulse.worked(operation),
            Err(error) => self.pulse.failed(operation, error),
        }
        answer
    }

    /// A batch whose entries all fail for the queue's own reasons has failed as well.
    fn note_entries<'a>(&self, operation: Operation, entries: impl Iterator<Item = Option<&'a EntryError>>) {
        let (mut taken, mut refusal) = (false, None);
        for entry in entries {
            match entry {
                Some(error) if is_of_the_queue(error) => refusal = Some(error),
                // What no queue takes, and what waits for room, says nothing against this one.
                _ => taken = true,
            }
        }
        match refusal {
            Some(error) if !taken => self.pulse.failed(operation, error),
            _ => self.pulse.worked(operation),
        }
    }
}

fn is_of_the_queue(error: &EntryError) -> bool {
    matches!(error, EntryError::Refused { .. })
}

#[async_trait]
impl QueueWrapper for WatchedQueue {
    fn inner(&self) -> &dyn Queue {
        self.queue.as_ref()
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        let sent: Vec<BTreeMap<String, String>> = match &self.passing {
            Some(_) => entries.iter().map(|entry| entry.attributes.clone()).collect(),
            None => Vec::new(),
        };
        if let Some(passing) = &self.passing {
            // Before it is sent: it may be served before the queue has answered.
            for attributes in &sent {
                passing.enters(attributes);
            }
        }
        let answer = self.queue.send_batch(entries).await;
        if let Some(passing) = &self.passing {
            let refused = |place: usize| match &answer {
                Ok(outcome) => outcome.entries.get(place).is_none_or(Result::is_err),
                Err(_) => true,
            };
            let turned_away = sent.iter().enumerate().filter(|(place, _)| refused(*place));
            for (_, attributes) in turned_away {
                passing.turned_away(attributes);
            }
        }
        match &answer {
            Ok(outcome) => self.note_entries(
                Operation::Send,
                outcome.entries.iter().map(|entry| entry.as_ref().err()),
            ),
            Err(error) => self.pulse.failed(Operation::Send, error),
        }
        answer
    }

    async fn defer_batch(&self, entries: Vec<DeferEntry>) -> Result<BatchOutcome, QueueError> {
        // Whoever waits has not been served: he stays as he is known.
        let answer = self.queue.defer_batch(entries).await;
        self.note(Operation::Send, answer)
    }

    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        let answer = self.note(Operation::Receive, self.queue.receive(request).await)?;
        if let Some(passing) = &self.passing {
            for message in &answer {
                passing.received(message);
            }
        }
        Ok(answer)
    }

    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        self.note(Operation::Hide, self.queue.change_visibility_batch(entries).await)
    }

    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        self.note(Operation::Delete, self.queue.delete_batch(receipt_handles).await)
    }
}
