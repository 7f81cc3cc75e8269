//! Room `quarantine`: what could not be read or sent, why, and when it is tried again.
//!
//! Owns the items with their reasons and evidence, the place where they outlive the process, the task that saves them
//! before the watermark may pass them, and the one that has them tried again. It may know the watermark; it may not ask the
//! chain or the queue for anything: a second look is `source`'s work, given to it behind [`retrier::SecondLook`].

pub(crate) mod item;
pub(crate) mod keeper;
pub(crate) mod objects;
pub(crate) mod place;
pub(crate) mod retrier;
pub(crate) mod store;

#[cfg(test)]
mod tests;
