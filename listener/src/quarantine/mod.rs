//! Room `quarantine`: what could not be read, and why.
//!
//! Owns the transactions that the chain lists and does not give whole. It may know the watermark and what was decoded; it may
//! not ask the chain for anything: that is `source`'s work.

pub(crate) mod parking;
