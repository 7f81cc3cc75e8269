//! Room `checkpoint`: how far everything is settled, and where that is kept.
//!
//! Owns the watermark (the end of the contiguous, acknowledged prefix of the program's transactions), each transaction's claim,
//! and what is saved of it: where, by whom, under whose lease. It may know what was decoded; it may not know who finds transactions or sends messages.

pub(crate) mod aws;
pub(crate) mod claim;
pub(crate) mod error;
pub(crate) mod lease;
pub(crate) mod place;
pub(crate) mod saved;
pub(crate) mod saver;
pub(crate) mod settles;
pub(crate) mod shared;
pub(crate) mod watermark;
pub(crate) mod watermarks;
