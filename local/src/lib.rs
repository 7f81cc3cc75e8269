//! The local runner: chain, listener, queue, event source and handler in one process.

pub mod advice;
mod alerts;
pub mod client;
pub mod display;
#[cfg(feature = "demo")]
pub mod embedded;
pub mod event_source;
mod gauges;
pub mod handling;
mod history;
pub mod invoker;
pub mod lasting;
pub mod latencies;
mod line;
pub mod operations;
pub mod pipeline;
pub mod queues;
pub mod reach;
pub mod screen;
pub mod service;
mod tally;
#[cfg(feature = "demo")]
pub mod traffic;
mod unserved;
mod witness;

/// What handlers of one's own are made of.
pub use async_trait::async_trait;
pub use service::{HandlerError, Service};
pub use session_events::Event;
pub use session_listener::{EventBody, EventHandler, ObservedEvent};
