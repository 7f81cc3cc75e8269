//! From creations to transactions, and from a transaction's error to whoever is at fault.
//!
//! Owns how a creation is written as an instruction (names and orders are configuration), which of them share a
//! transaction, in which format, and what that can cost: compute units, bytes, trace entries, lamports. Owns what an
//! error of the runtime means: which member it blames, or that nobody can tell. Pure, but for two memories: which
//! formats the cluster takes, and what creations of each program take. It signs nothing and sends nothing, and knows
//! neither wallets nor what becomes of what it plans.

pub(crate) mod cost;
pub(crate) mod fault;
pub(crate) mod formats;
pub(crate) mod instruction;
pub(crate) mod marking;
pub(crate) mod message;
pub(crate) mod plan;
pub(crate) mod program_error;
pub(crate) mod units;
