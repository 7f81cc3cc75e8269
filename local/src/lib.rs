//! The local runner: chain, listener, queue, event source and handler in one process.

pub mod checks;
pub mod cli;
pub mod display;
pub mod embedded;
pub mod event_source;
pub mod gauges;
pub mod invoker;
pub mod pipeline;
pub mod queues;
pub mod run;
pub mod tally;
pub mod traffic;
