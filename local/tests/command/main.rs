//! The binary as its user runs it: what it prints, what it serves, how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod alerting;
mod history;
mod mending;
mod operating;
mod process;
mod redriving;
mod service;
mod starting;
mod streams;
mod surroundings;
mod telling;
mod watermark;
