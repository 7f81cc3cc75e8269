//! From creations to transactions: instructions, formats, cost, plan. Pure.

pub(crate) mod cost;
pub(crate) mod fault;
pub(crate) mod formats;
pub(crate) mod instruction;
pub(crate) mod marking;
pub(crate) mod message;
pub(crate) mod plan;
pub(crate) mod program_error;
