//! The creation engine on a real chain: what it creates, what it costs, and what no fault can make it do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod cluster;
mod contention;
mod creation;
mod endpoints;
mod faults;
mod fees;
mod policy;
mod signers;
mod under_way;
mod units;
mod waiting;
