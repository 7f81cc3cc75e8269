//! Room `publish`: from events to messages that the queue has acknowledged.
//!
//! Owns the outbox, the batches, and the acknowledgements that move the watermark. It may know the watermark; it may not know
//! where an event came from beyond what the message says.

pub(crate) mod acknowledgement;
pub(crate) mod outgoing;
pub(crate) mod outlet;
pub(crate) mod publisher;
