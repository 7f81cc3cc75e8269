//! The on-chain programs in LiteSVM, from the committed binaries: what each instruction does, and each of its refusals.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what tests share stops the test at the first thing that is not as it should be"
)]

mod factory_events;
mod factory_initialize;
mod factory_request;
mod factory_request_refusals;
mod factory_status;
mod hostile;
mod session_create;
mod session_initialize;
mod svm;
