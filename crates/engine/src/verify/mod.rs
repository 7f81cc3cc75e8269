//! What is there, beside what was asked for.

pub(crate) mod mismatch;
pub(crate) mod standing;
