//! Room `listener`: the service.
//!
//! Owns the tasks, the order in which they start and end, and where a listener begins. It knows all rooms but `jobs`.

pub(crate) mod bootstrap;
pub(crate) mod pipeline;
mod readers;
pub(crate) mod service;
pub(crate) mod tenure;
