//! What can go wrong with a queue, as a whole and with a single entry.

use std::time::Duration;

/// A call that failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// SQS takes 1 to 10 entries a batch.
    #[error("a batch has {entries} entries; it must have 1 to 10")]
    BatchLength {
        /// How many there were.
        entries: usize,
    },
    /// SQS takes 1 MiB a batch.
    #[error("a batch has {bytes} bytes; it must not have more than {max}", max = crate::BATCH_SIZE_MAX_BYTES)]
    BatchTooLarge {
        /// Bodies and attributes, in bytes.
        bytes: usize,
    },
    /// A request outside what SQS takes.
    #[error("{field} is {value:?}; it must be at most {max:?}")]
    OutOfRange {
        /// Which field of the request.
        field: &'static str,
        /// What it was.
        value: Duration,
        /// What is allowed.
        max: Duration,
    },
    /// The service behind the queue did not answer, or answered with an error.
    #[error("queue {queue}: {operation} failed: {source}")]
    Service {
        /// The queue.
        queue: String,
        /// The call.
        operation: &'static str,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// What the service's client says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was given up does not wait for a moment.
    #[error("queue {queue} has dead letters, and none of them can be deferred")]
    NoDeferral {
        /// The queue.
        queue: String,
    },
    /// The store of a queue in memory failed.
    #[error("queue {queue}: {source}")]
    Store {
        /// The queue.
        queue: String,
        /// What its store says.
        source: crate::MessageStoreError,
    },
}

impl QueueError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::BatchLength { .. }
            | Self::BatchTooLarge { .. }
            | Self::OutOfRange { .. }
            | Self::NoDeferral { .. } => false,
            Self::Service { retryable, .. } => *retryable,
            Self::Store { source, .. } => source.retryable,
        }
    }
}

/// One entry of a batch that failed while the others went on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// SQS refuses empty messages.
    #[error("the body is empty")]
    EmptyBody,
    /// SQS takes 1 MiB a message, attributes included.
    #[error("the message has {bytes} bytes with its attributes; it must not have more than {max}", max = crate::BATCH_SIZE_MAX_BYTES)]
    TooLarge {
        /// Body and attributes, in bytes.
        bytes: usize,
    },
    /// SQS takes the characters that XML 1.0 takes.
    #[error("the body or an attribute has the character {character:?}, which SQS does not take")]
    BadCharacter {
        /// The first such character.
        character: char,
    },
    /// SQS takes 10 attributes a message.
    #[error("the message has {attributes} attributes; it must not have more than 10")]
    TooManyAttributes {
        /// How many there were.
        attributes: usize,
    },
    /// Letters, digits, `_`, `-` and `.`, no `AWS.` or `Amazon.` in front, 1 to 256 characters.
    #[error("{name:?} is no name for an attribute")]
    BadAttributeName {
        /// The name.
        name: String,
    },
    /// SQS refuses empty attributes.
    #[error("the attribute {name:?} is empty")]
    EmptyAttribute {
        /// The name.
        name: String,
    },
    /// SQS delays up to 15 minutes.
    #[error("a delay of {delay:?} is over the 15 minutes that a message can be delayed")]
    DelayTooLong {
        /// The delay.
        delay: Duration,
    },
    /// SQS hides a message for 12 h in all.
    #[error("a visibility timeout of {timeout:?} would hide the message for longer than 12 h")]
    VisibilityTooLong {
        /// The timeout.
        timeout: Duration,
    },
    /// Not a handle of this queue.
    #[error("{handle:?} is no receipt handle of this queue")]
    BadReceiptHandle {
        /// The handle.
        handle: String,
    },
    /// The message is visible again, was received by somebody else, or is deleted.
    #[error("the message of receipt handle {handle:?} is not in flight by it any more")]
    NotInFlight {
        /// The handle.
        handle: String,
    },
    /// The queue in memory holds as many messages as it may.
    #[error("the queue is full: it holds {capacity} messages")]
    Full {
        /// How many it may hold.
        capacity: usize,
    },
    /// The service behind the queue refused the entry.
    #[error("refused with {code}: {message}")]
    Refused {
        /// The service's error code.
        code: String,
        /// Its words.
        message: String,
        /// Whether the sender is at fault; if not, the same entry may succeed later.
        sender_fault: bool,
    },
}

impl EntryError {
    /// Whether the same entry may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            // SQS calls it the sender's fault, too, where the sender is only too fast.
            Self::Refused { code, sender_fault, .. } => !sender_fault || is_throttling(code),
            _ => false,
        }
    }
}

/// Codes of SQS and KMS for too many requests ("Amazon SQS API Reference", `SendMessageBatch`).
const THROTTLING: [&str; 4] = ["RequestThrottled", "KmsThrottled", "ThrottlingException", "OverLimit"];

/// Whether the code, with or without its service's name in front, says that requests came too fast.
fn is_throttling(code: &str) -> bool {
    let name = code.rsplit('.').next().unwrap_or(code);
    THROTTLING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_only_too_fast_is_sent_again_whoever_is_to_blame() {
        let refused = |code: &str, sender_fault| EntryError::Refused {
            code: code.to_owned(),
            message: String::new(),
            sender_fault,
        };
        assert!(refused("RequestThrottled", true).is_retryable());
        assert!(refused("AWS.SimpleQueueService.RequestThrottled", true).is_retryable());
        assert!(refused("InternalError", false).is_retryable());
        assert!(!refused("InvalidParameterValue", true).is_retryable());
    }
}
