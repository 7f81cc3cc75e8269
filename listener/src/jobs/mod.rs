//! Room `jobs`: what somebody has done by hand, once.
//!
//! Owns the backfill of a stretch of history and a single comparison with account state, built from the rooms below as the
//! listener is.

pub(crate) mod backfill;
pub(crate) mod job;
