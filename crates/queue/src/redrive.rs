//! Back from the dead-letter queue to the queue: what an operator does once the cause is mended.

use std::time::Duration;

use crate::{
    dead_letter::DEAD_LETTER_ATTRIBUTES,
    entry::BATCH_ENTRIES_MAX,
    error::QueueError,
    queue::{Queue, ReceiveRequest, SendEntry},
};

/// How long a dead letter is set aside while it moves.
const MOVE_TIMEOUT: Duration = Duration::from_mins(1);

/// What a redrive did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Messages that are in the queue again.
    pub moved: usize,
    /// Messages that the queue did not take; they are still dead letters.
    pub refused: usize,
}

/// Moves up to `limit` messages from the dead letters back to the queue, with their attempts counted anew and the
/// reason taken off. A message is deleted only once the queue has it: a crash in between leaves it in both, which the
/// handler's idempotence makes harmless.
///
/// # Errors
/// [`QueueError`] of either queue; what was moved before stays moved.
pub async fn redrive(dead_letters: &dyn Queue, queue: &dyn Queue, limit: usize) -> Result<Redriven, QueueError> {
    let mut redriven = Redriven::default();
    while redriven.moved + redriven.refused < limit {
        let request = ReceiveRequest {
            max_messages: (limit - redriven.moved - redriven.refused).min(BATCH_ENTRIES_MAX),
            wait: Duration::ZERO,
            visibility_timeout: Some(MOVE_TIMEOUT),
        };
        let letters = dead_letters.receive(request).await?;
        if letters.is_empty() {
            break;
        }
        for letter in letters {
            let mut attributes = letter.attributes;
            attributes.retain(|name, _| !DEAD_LETTER_ATTRIBUTES.contains(&name.as_str()));
            let entry = SendEntry {
                body: letter.body,
                attributes,
                delay: Duration::ZERO,
            };
            let sent = queue.send_batch(vec![entry]).await?.entries.pop();
            if let Some(Ok(_accepted)) = sent {
                dead_letters.delete_batch(vec![letter.receipt_handle]).await?;
                redriven.moved += 1;
            } else {
                redriven.refused += 1;
            }
        }
    }
    Ok(redriven)
}
