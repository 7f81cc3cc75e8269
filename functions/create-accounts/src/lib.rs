//! The `create-accounts` function: an SQS event in, created and verified session accounts out.
//!
//! The same [`Handler`] runs in AWS Lambda (this crate's binary) and inside the local runner, which calls it as
//! Lambda would. Each record is read on its own, all that ask for an account are created together by the engine, and
//! each gets one [`Conclusion`], so that one bad record never harms the others.

mod conclusion;
mod dead_letters;
mod engine_source;
mod handler;
mod reading;
mod record;
mod report;
mod settling;
mod setup;

pub use conclusion::{Conclusion, Reason};
pub use engine_source::{EngineSource, Later, Start};
pub use handler::{Handler, HandlerConfig};
pub use record::{Record, UnusableRecord};
pub use report::{LogObserver, RecordObserver, RecordReport};
pub use setup::{
    SetupError, engine_config, handler_config, instruction_shape, policy, shared_ledger, signers, spending_limits,
    wallet_addresses,
};
