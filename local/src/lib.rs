//! The local runner: chain, listener, queue, event source and handler in one process.

pub mod checks;
pub mod display;
pub mod embedded;
pub mod event_source;
pub mod gauges;
pub mod handling;
pub mod invoker;
pub mod latencies;
pub mod pipeline;
pub mod queues;
pub mod redrive_request;
pub mod tally;
pub mod traffic;
mod witness;
