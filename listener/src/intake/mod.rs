//! Room `intake`: every transaction once, however it was found.
//!
//! Owns the one way from events to metrics, custom handlers and the outbox. It may know `publish` and what is below; it may not
//! know who finds transactions.

pub(crate) mod handler_thread;
pub(crate) mod handlers;
pub(crate) mod lifecycle;
pub(crate) mod queued_lately;
pub(crate) mod slot_clock;
pub(crate) mod transactions;
