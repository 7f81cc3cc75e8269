//! The creation engine on a real chain: what it creates, what it costs, and what no fault can make it do.

mod contention;
mod creation;
mod faults;
mod policy;
mod signers;
