//! What may be asked for.

pub(crate) mod claim;
pub(crate) mod policy;
pub(crate) mod rejection;
