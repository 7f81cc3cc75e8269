//! Room `decode`: from what a node answers to events.
//!
//! Owns the shapes of replies ([`wire`]), the instructions of a transaction, and the reading of its events. It knows nothing of
//! where transactions come from, nor of what becomes of events: the bottom room, used by all the others.

pub(crate) mod listed;
pub(crate) mod observed;
pub(crate) mod reading;
pub(crate) mod transaction;
pub(crate) mod wire;
