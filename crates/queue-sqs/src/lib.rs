//! SQS behind the queue trait.

mod fault;
mod message;
mod sqs;

pub use fault::SqsError;
pub use sqs::{QueueFacts, SqsConfig, SqsQueue};
