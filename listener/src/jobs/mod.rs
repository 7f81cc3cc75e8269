//! Room `jobs`: what somebody has done by hand, once.
//!
//! Owns the backfill of a stretch of history, a single comparison with account state, and the saved watermark in an
//! operator's hands, built from the rooms below as the
//! listener is.

pub(crate) mod backfill;
pub(crate) mod job;
pub(crate) mod kept;
