//! From creations to transactions: instructions, formats, cost, plan. Pure, but for two memories: which formats the cluster
//! takes, and what creations of each program take.

pub(crate) mod cost;
pub(crate) mod fault;
pub(crate) mod formats;
pub(crate) mod instruction;
pub(crate) mod marking;
pub(crate) mod message;
pub(crate) mod plan;
pub(crate) mod program_error;
pub(crate) mod units;
