//! From requests to answers: read what is there, plan what is missing, have it delivered, judge what was read back.
//!
//! Owns the requests of one call until each has its answer, and the public errors that answers are made of. Deliveries
//! belong to their own tasks: a batch joins them, and leaves them where its deadline comes first. Knows every room below.

pub(crate) mod deferral;
mod endings;
pub(crate) mod error;
mod launch;
pub(crate) mod open;
pub(crate) mod serve;
pub(crate) mod translate;
