//! Room `reconcile`: the second, independent source of truth, account state.
//!
//! Owns the comparison of the factory's entries with the sessions that exist. It uses `source` to read the request of a missing
//! session, and `intake` to have it queued; it may not move the watermark.

pub(crate) mod accounts;
pub(crate) mod comparison;
