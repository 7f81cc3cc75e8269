//! The cases, and what they run on.

pub(crate) mod cases;
pub(crate) mod refusals;
pub(crate) mod subject;
