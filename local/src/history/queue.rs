//! A queue whose new messages are told of: the event that was seen, and its message. Deferrals are told by the record's end,
//! with the reason.

use std::sync::Arc;

use async_trait::async_trait;
use session_queue::{Queue, QueueError, QueueWrapper, SendEntry, SendOutcome};

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
impl QueueWrapper for ToldQueue {
    fn inner(&self) -> &dyn Queue {
        self.queue.as_ref()
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
}
