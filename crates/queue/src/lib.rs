//! The queue between the listener and the handler: one trait, and an in-memory queue with SQS's semantics.
//!
//! What SQS does is taken from AWS's documentation ("Amazon SQS Developer Guide", "Amazon SQS API Reference") and
//! named where it is used. [`InMemoryQueue`] runs on tokio's clock, so a test with paused time can turn it.

mod backoff;
mod dead_letter;
mod deferral;
mod due;
mod entry;
mod error;
mod memory;
mod message_store;
mod queue;
mod redrive;
mod state;
mod turns;
mod volatile;
mod wrapper;

pub use backoff::VisibilityBackoff;
pub use dead_letter::{DEAD_LETTER_ATTRIBUTES, DeadLetter, DeadLetterAttributeError};
pub use deferral::{DEFERRAL_ATTRIBUTES, Deferral};
pub use entry::{
    BATCH_ENTRIES_MAX, BATCH_SIZE_MAX_BYTES, DELAY_MAX, MESSAGE_GROUP_ID, TRACE_HEADER, VISIBILITY_TIMEOUT_MAX,
    WAIT_MAX, batches, check_length, check_sends,
};
pub use error::{EntryError, QueueError};
pub use memory::{InMemoryConfig, InMemoryQueue};
pub use message_store::{Deferred, Letter, MessageStore, MessageStoreError};
pub use queue::{
    Accepted, BatchOutcome, DeferEntry, Depth, MessageId, Queue, ReceiptHandle, ReceiveRequest, ReceivedMessage,
    SendEntry, SendOutcome, Settled, VisibilityEntry,
};
pub use redrive::{Redriven, redrive};
pub use wrapper::QueueWrapper;
