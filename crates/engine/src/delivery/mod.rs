//! One signed transaction's life: from the money that is held for it to the fate that settles the hold.
//!
//! Owns the pure state machine of that life, the task that drives it, the blockhashes, the status poll and the reading
//! back. Every transaction has a task of its own that nobody's deadline cuts off: whoever waits for an address joins the
//! delivery that is under way for it. Knows creations as addresses to look at; it knows nothing of requests, batches or
//! what a reading means.

pub(crate) mod blockhash;
pub(crate) mod courier;
pub(crate) mod life;
pub(crate) mod read_back;
pub(crate) mod registry;
pub(crate) mod sender;
pub(crate) mod statuses;
pub(crate) mod sweep;
