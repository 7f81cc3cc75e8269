//! Room `reconcile`: account state against what should exist.
//!
//! Owns the comparison of the factory's entries with the sessions that exist: in shards, so that its memory does not grow with
//! the factory; by existence first, so that only what is missing is read and derived; and with a memory of what was found
//! served, so that it is not asked for again. It may know how to read history and how to queue an event; nobody below may know
//! it.

pub(crate) mod accounts;
pub(crate) mod comparison;
pub(crate) mod pace;
pub(crate) mod pass;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod served;
pub(crate) mod shards;
