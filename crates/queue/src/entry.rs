//! The limits of SQS on a batch and on each of its entries (AWS, "Amazon SQS message quotas").

use std::{collections::BTreeMap, time::Duration};

use crate::{
    error::{EntryError, QueueError},
    queue::SendEntry,
};

/// Entries a batch.
pub const BATCH_ENTRIES_MAX: usize = 10;
/// Bytes a message, and all messages of a batch together: 1 MiB.
pub const BATCH_SIZE_MAX_BYTES: usize = 1024 * 1024;
/// The longest delay of a message.
pub const DELAY_MAX: Duration = Duration::from_mins(15);
/// The longest that a message is hidden, counted from its receive.
pub const VISIBILITY_TIMEOUT_MAX: Duration = Duration::from_hours(12);
/// The longest poll.
pub const WAIT_MAX: Duration = Duration::from_secs(20);
/// The attribute that carries a trace: X-Ray's header, which SQS keeps apart from a message's own attributes.
pub const TRACE_HEADER: &str = "AWSTraceHeader";
/// The attribute that carries a message's group, which SQS keeps apart as well: in a fair queue the messages of one busy
/// group do not delay those of others (AWS, "Amazon SQS fair queues").
pub const MESSAGE_GROUP_ID: &str = "MessageGroupId";
const ATTRIBUTES_MAX: usize = 10;
const ATTRIBUTE_NAME_MAX_CHARACTERS: usize = 256;
/// SQS counts an attribute's type as well; all of ours are strings.
const ATTRIBUTE_TYPE: &str = "String";

impl SendEntry {
    /// What the entry counts against the limits, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_bytes(&self.body, &self.attributes)
    }

    /// Checks what SQS would refuse about this entry alone.
    ///
    /// # Errors
    /// The first limit that the entry breaks.
    pub fn check(&self) -> Result<(), EntryError> {
        if self.body.is_empty() {
            return Err(EntryError::EmptyBody);
        }
        if self.size_bytes() > BATCH_SIZE_MAX_BYTES {
            return Err(EntryError::TooLarge {
                bytes: self.size_bytes(),
            });
        }
        if let Some(character) = self.body.chars().find(|character| !is_allowed(*character)) {
            return Err(EntryError::BadCharacter { character });
        }
        let own = |name: &&String| ![TRACE_HEADER, MESSAGE_GROUP_ID].contains(&name.as_str());
        let attributes = self.attributes.keys().filter(own).count();
        if attributes > ATTRIBUTES_MAX {
            return Err(EntryError::TooManyAttributes { attributes });
        }
        for (name, value) in &self.attributes {
            if !is_attribute_name(name) {
                return Err(EntryError::BadAttributeName { name: name.clone() });
            }
            if value.is_empty() {
                return Err(EntryError::EmptyAttribute { name: name.clone() });
            }
            if let Some(character) = value.chars().find(|character| !is_allowed(*character)) {
                return Err(EntryError::BadCharacter { character });
            }
        }
        if self.delay > DELAY_MAX {
            return Err(EntryError::DelayTooLong { delay: self.delay });
        }
        Ok(())
    }
}

pub(crate) fn size_bytes(body: &str, attributes: &BTreeMap<String, String>) -> usize {
    let attribute = |(name, value): (&String, &String)| name.len() + ATTRIBUTE_TYPE.len() + value.len();
    body.len() + attributes.iter().map(attribute).sum::<usize>()
}

/// Splits entries, of which each has a size in bytes, into batches that a queue takes, in their order.
#[must_use]
pub fn batches<T>(entries: Vec<T>, size_bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut batches, mut bytes): (Vec<Vec<T>>, usize) = (Vec::new(), 0);
    for entry in entries {
        let size = size_bytes(&entry);
        match batches.last_mut() {
            Some(last) if last.len() < BATCH_ENTRIES_MAX && bytes + size <= BATCH_SIZE_MAX_BYTES => {
                bytes += size;
                last.push(entry);
            }
            _ => {
                bytes = size;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

/// Checks what SQS would refuse about a batch of sends as a whole.
///
/// # Errors
/// [`QueueError::BatchLength`] and [`QueueError::BatchTooLarge`].
pub fn check_sends(entries: &[SendEntry]) -> Result<(), QueueError> {
    check_length(entries.len())?;
    let bytes = entries.iter().map(SendEntry::size_bytes).sum();
    // A single entry over the limit is that entry's own error.
    if entries.len() > 1 && bytes > BATCH_SIZE_MAX_BYTES {
        return Err(QueueError::BatchTooLarge { bytes });
    }
    Ok(())
}

/// Checks how many entries a batch has.
///
/// # Errors
/// [`QueueError::BatchLength`].
pub fn check_length(entries: usize) -> Result<(), QueueError> {
    if (1..=BATCH_ENTRIES_MAX).contains(&entries) {
        Ok(())
    } else {
        Err(QueueError::BatchLength { entries })
    }
}

/// The text with what SQS would refuse replaced, so that a hostile name in it cannot keep a message from its queue.
pub(crate) fn allowed_text(text: &str) -> String {
    let allowed = |character| if is_allowed(character) { character } else { '\u{fffd}' };
    text.chars().map(allowed).collect()
}

/// `#x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF` (AWS, "`SendMessage`").
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn is_attribute_name(name: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    let reserved = ["aws.", "amazon."]
        .iter()
        .any(|prefix| name.to_ascii_lowercase().starts_with(prefix));
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    (1..=ATTRIBUTE_NAME_MAX_CHARACTERS).contains(&name.len()) && name.chars().all(allowed) && !reserved && !dots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_at_most_ten_entries_and_a_mebibyte() {
        let half = BATCH_SIZE_MAX_BYTES / 2;
        let lengths = |sizes: Vec<usize>| -> Vec<usize> { batches(sizes, |size| *size).iter().map(Vec::len).collect() };
        assert_eq!(lengths(vec![1; 21]), [10, 10, 1]);
        assert_eq!(lengths(vec![half, half, half + 1, half, 1]), [2, 1, 2]);
        assert_eq!(lengths(vec![2 * BATCH_SIZE_MAX_BYTES, 1]), [1, 1]);
        assert_eq!(lengths(Vec::new()), [0; 0]);
    }
}
