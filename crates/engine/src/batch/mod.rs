//! From requests to answers.

pub(crate) mod error;
pub(crate) mod open;
pub(crate) mod rounds;
