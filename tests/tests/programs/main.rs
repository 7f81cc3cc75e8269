//! The on-chain programs in LiteSVM, from the committed binaries: what each instruction does, and each of its refusals.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what tests share stops the test at the first thing that is not as it should be"
)]

mod attempt;
mod deployed;
mod factory_close;
mod factory_initialize;
mod factory_operations;
mod factory_optimistic;
mod factory_refusals;
mod factory_request;
mod factory_reserve;
mod factory_status;
mod factory_vectors;
mod flaws;
mod hostile;
mod session_close;
mod session_create;
mod session_create_many;
mod session_initialize;
mod sessions;
mod svm;
