//! The queue in memory against what SQS documents, on a clock that the tests turn themselves.

mod journal;
mod limits;
mod polling;
mod queues;
mod redrive;
mod settled;
mod visibility;
