//! The queue between the listener and the handler: one trait, and an in-memory queue with SQS's semantics.
//!
//! What SQS does is taken from AWS's documentation ("Amazon SQS Developer Guide", "Amazon SQS API Reference") and
//! named where it is used. [`InMemoryQueue`] runs on tokio's clock, so a test with paused time can turn it.

mod backoff;
mod dead_letter;
mod entry;
mod error;
mod journal;
mod memory;
mod queue;
mod redrive;
mod state;

pub use backoff::VisibilityBackoff;
pub use dead_letter::{DEAD_LETTER_ATTRIBUTES, DeadLetter, DeadLetterAttributeError};
pub use entry::{
    BATCH_ENTRIES_MAX, BATCH_SIZE_MAX_BYTES, DELAY_MAX, TRACE_HEADER, VISIBILITY_TIMEOUT_MAX, WAIT_MAX, check_length,
    check_sends,
};
pub use error::{EntryError, QueueError};
pub use journal::{DeadLetterJournal, JournalError, JournalFault, Letter};
pub use memory::{InMemoryConfig, InMemoryQueue};
pub use queue::{
    Accepted, BatchOutcome, Depth, MessageId, Queue, ReceiptHandle, ReceiveRequest, ReceivedMessage, SendEntry,
    SendOutcome, Settled, VisibilityEntry,
};
pub use redrive::{Redriven, redrive};
