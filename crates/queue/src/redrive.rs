//! Back from the dead-letter queue to the queue: what an operator does once the cause is mended.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use crate::{
    dead_letter::DEAD_LETTER_ATTRIBUTES,
    deferral::DEFERRAL_ATTRIBUTES,
    entry::BATCH_ENTRIES_MAX,
    error::{EntryError, QueueError},
    queue::{MessageId, Queue, ReceiveRequest, ReceivedMessage, SendEntry},
};

/// How long a dead letter is set aside while it moves. What takes longer shows up again, and is known by its id.
const MOVE_TIMEOUT: Duration = Duration::from_mins(10);
/// A short poll asks some of SQS's servers and misses what the others have; a long one asks all (AWS, "Short and long
/// polling").
const LONG_POLL: Duration = Duration::from_secs(2);
/// Answers without a new letter that end a redrive: depths are approximate.
const EMPTY_POLLS_MAX: u32 = 2;

/// What a redrive did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Messages that are in the queue again.
    pub moved: usize,
    /// Messages that the queue did not take, and why; they are still dead letters.
    pub refused: Vec<(MessageId, EntryError)>,
}

impl Redriven {
    pub(crate) fn seen(&self) -> usize {
        self.moved + self.refused.len()
    }
}

/// Moves up to `limit` messages from the dead letters back to the queue, with their attempts counted anew and the
/// reason taken off. What becomes a dead letter meanwhile is left for the next redrive.
///
/// # Errors
/// [`QueueError`] of either queue; what was moved before stays moved.
pub async fn redrive(dead_letters: &dyn Queue, queue: &dyn Queue, limit: usize) -> Result<Redriven, QueueError> {
    queue.redrive(dead_letters, limit).await
}

/// The same for two queues that know nothing of each other. A message is deleted only once the queue has it: a crash in
/// between leaves it in both, which the handler's idempotence makes harmless.
pub(crate) async fn redrive_between<Q: Queue + ?Sized>(
    dead_letters: &dyn Queue,
    queue: &Q,
    limit: usize,
) -> Result<Redriven, QueueError> {
    let depth = dead_letters.depth().await?.total();
    let limit = limit.min(usize::try_from(depth).unwrap_or(usize::MAX));
    let (mut redriven, mut seen, mut empty_polls) = (Redriven::default(), HashSet::new(), 0);
    while redriven.seen() < limit && empty_polls < EMPTY_POLLS_MAX {
        let request = ReceiveRequest {
            max_messages: (limit - redriven.seen()).min(BATCH_ENTRIES_MAX),
            wait: LONG_POLL,
            visibility_timeout: Some(MOVE_TIMEOUT),
        };
        let mut letters = dead_letters.receive(request).await?;
        letters.retain(|letter| seen.insert(letter.message_id.clone()));
        if letters.is_empty() {
            empty_polls += 1;
            continue;
        }
        empty_polls = 0;
        move_letters(dead_letters, queue, letters, &mut redriven).await?;
    }
    Ok(redriven)
}

async fn move_letters<Q: Queue + ?Sized>(
    dead_letters: &dyn Queue,
    queue: &Q,
    letters: Vec<ReceivedMessage>,
    redriven: &mut Redriven,
) -> Result<(), QueueError> {
    let mut moved = Vec::with_capacity(letters.len());
    for letter in letters {
        // One a call: ten letters of a mebibyte are no batch.
        let entry = SendEntry {
            body: letter.body,
            attributes: anew(letter.attributes),
            delay: Duration::ZERO,
        };
        match queue.send_batch(vec![entry]).await?.entries.pop() {
            Some(Ok(_accepted)) => moved.push(letter.receipt_handle),
            Some(Err(error)) => redriven.refused.push((letter.message_id, error)),
            None => {}
        }
    }
    if !moved.is_empty() {
        redriven.moved += moved.len();
        dead_letters.delete_batch(moved).await?;
    }
    Ok(())
}

/// A message's attributes without what was said of its attempts and its end.
pub(crate) fn anew(mut attributes: BTreeMap<String, String>) -> BTreeMap<String, String> {
    attributes.retain(|name, _| {
        !DEAD_LETTER_ATTRIBUTES.contains(&name.as_str()) && !DEFERRAL_ATTRIBUTES.contains(&name.as_str())
    });
    attributes
}
