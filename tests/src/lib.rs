//! What the end-to-end tests stand on: chains to run against, faults to put in between, and ways to wait.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test harness stops the test at the first thing that is not as it should be"
)]

pub mod binaries;
pub mod chain;
pub mod creation;
pub mod deaf_socket;
pub mod entries_node;
pub mod fault_proxy;
pub mod function_stub;
pub mod hostile;
pub mod http;
mod http_server;
pub mod kms_stub;
pub mod lagging_node;
pub mod lambda;
pub mod listener_process;
pub mod listening;
pub mod lying_node;
pub mod metrics;
pub mod on_aws;
pub mod on_each_chain;
pub mod ports;
pub mod refusing_queue;
pub mod rig;
pub mod rooms;
pub mod sqs_server;
pub mod synthetic_node;
pub mod tcp_proxy;
pub mod wait;
