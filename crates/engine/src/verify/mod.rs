//! What is there, beside what was asked for.
//!
//! Owns what counts as done: owner, length, content, and that lamports alone are no account. Pure: it is given an
//! account as it was read, and judges it; when and at which commitment it was read is the business of whoever did. It
//! knows requests, and nothing of transactions: an account that a stranger has made is as good as one of ours.

pub(crate) mod mismatch;
pub(crate) mod standing;
