//! One signed transaction on its way into a block.

pub(crate) mod attempt;
pub(crate) mod blockhash;
pub(crate) mod sending;
pub(crate) mod statuses;
pub(crate) mod unsettled;
