//! Sends messages to the dead-letter queue with the reason attached.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use session_queue::{DeadLetter, Queue, SendEntry};

use crate::{conclusion::Reason, record::Record};

/// The dead-letter queue as the handler uses it.
pub(crate) struct DeadLetters {
    queue: Arc<dyn Queue>,
}

/// The dead letter did not reach its queue, so the message must stay in the source queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadLetterError {
    #[error("the dead-letter queue {queue} did not answer: {source}")]
    Queue {
        queue: String,
        source: session_queue::QueueError,
    },
    #[error("the dead-letter queue {queue} refused the message: {source}")]
    Refused {
        queue: String,
        source: session_queue::EntryError,
    },
    #[error("the dead-letter queue {queue} answered a send of one message with no entry")]
    NoAnswer { queue: String },
}

impl DeadLetters {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue }
    }

    /// Sends the record as it came, with why it ended here.
    pub(crate) async fn send(&self, record: &Record, reason: &Reason) -> Result<(), DeadLetterError> {
        let now = SystemTime::now();
        let letter = DeadLetter {
            reason: reason.code.to_owned(),
            sentence: reason.sentence.clone(),
            attempts: record.attempt,
            last_signature: reason.last_signature.clone(),
            first_at: record.first_received_at.unwrap_or(now),
            last_at: now,
        };
        let mut attributes: BTreeMap<String, String> = record.attributes.iter().cloned().collect();
        attributes.extend(letter.attributes());
        let entry = SendEntry {
            body: record.body.clone(),
            attributes,
            delay: Duration::ZERO,
        };
        let queue = || self.queue.name().to_owned();
        let outcome = self
            .queue
            .send_batch(vec![entry])
            .await
            .map_err(|source| DeadLetterError::Queue { queue: queue(), source })?;
        match outcome.entries.into_iter().next() {
            Some(Ok(_accepted)) => Ok(()),
            Some(Err(source)) => Err(DeadLetterError::Refused { queue: queue(), source }),
            None => Err(DeadLetterError::NoAnswer { queue: queue() }),
        }
    }
}
