//! Sends messages to the dead-letter queue with the reason attached.

use std::{sync::Arc, time::Duration};

use session_queue::{DEFERRAL_ATTRIBUTES, DeadLetter, Queue, SendEntry, batches};

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
        source: Arc<session_queue::QueueError>,
    },
    #[error("the dead-letter queue {queue} refused the message: {source}")]
    Refused {
        queue: String,
        source: session_queue::EntryError,
    },
    #[error("the dead-letter queue {queue} gave no answer for the message")]
    NoAnswer { queue: String },
}

impl DeadLetters {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue }
    }

    /// Sends records as they came, each with why it ended here. One answer for each, in their order.
    pub(crate) async fn send(&self, given_up: Vec<(&Record, &Reason)>) -> Vec<Result<(), DeadLetterError>> {
        let entries = given_up.iter().map(|(record, reason)| entry(record, reason)).collect();
        let mut answers = Vec::with_capacity(given_up.len());
        for batch in batches(entries, SendEntry::size_bytes) {
            answers.extend(self.send_batch(batch).await);
        }
        answers
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Vec<Result<(), DeadLetterError>> {
        let (count, queue) = (entries.len(), || self.queue.name().to_owned());
        let mut answers: Vec<_> = match self.queue.send_batch(entries).await {
            Ok(outcome) => {
                let refused = |source| DeadLetterError::Refused { queue: queue(), source };
                let answers = outcome.entries.into_iter();
                answers.map(|answer| answer.map(drop).map_err(refused)).collect()
            }
            Err(source) => {
                let source = Arc::new(source);
                let unanswered = |()| {
                    let source = Arc::clone(&source);
                    Err(DeadLetterError::Queue { queue: queue(), source })
                };
                std::iter::repeat_n((), count).map(unanswered).collect()
            }
        };
        answers.resize_with(count, || Err(DeadLetterError::NoAnswer { queue: queue() }));
        answers
    }
}

fn entry(record: &Record, reason: &Reason) -> SendEntry {
    let now = session_clock::now();
    let letter = DeadLetter {
        reason: reason.code.to_owned(),
        sentence: reason.sentence.clone(),
        attempts: record.attempt,
        last_signature: reason.last_signature.clone(),
        first_at: record.first_received_at.unwrap_or(now),
        last_at: now,
    };
    let mut attributes = record.attributes.clone();
    // It waits no more; how often it was tried stands in the letter, and ten attributes are all that SQS takes.
    attributes.retain(|name, _| !DEFERRAL_ATTRIBUTES.contains(&name.as_str()));
    attributes.extend(letter.attributes());
    SendEntry {
        body: record.body.clone(),
        attributes,
        delay: Duration::ZERO,
    }
}
