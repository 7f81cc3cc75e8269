//! The local runner: chain, listener, queue, event source and handler in one process.

pub mod advice;
pub mod client;
pub mod display;
#[cfg(feature = "demo")]
pub mod embedded;
pub mod event_source;
mod gauges;
pub mod handling;
pub mod invoker;
pub mod latencies;
mod line;
pub mod operations;
pub mod pipeline;
pub mod queues;
pub mod screen;
mod tally;
#[cfg(feature = "demo")]
pub mod traffic;
mod witness;
