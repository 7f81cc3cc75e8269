//! The queue in memory against what SQS documents, on a clock that the tests turn themselves.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod deferral;
mod limits;
mod polling;
mod queues;
mod redrive;
mod settled;
mod turns;
mod visibility;
