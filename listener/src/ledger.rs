//! The frontier, shared between the tasks of a listener. No lock is held across an await.

use std::sync::{Mutex, PoisonError};

use crate::frontier::Frontier;

/// The one [`Frontier`].
#[derive(Debug)]
pub(crate) struct Ledger(Mutex<Frontier>);

impl Ledger {
    pub(crate) fn new(frontier: Frontier) -> Self {
        Self(Mutex::new(frontier))
    }

    /// Does something with the frontier. Its operations leave it whole, so a poisoned lock is as good as any.
    pub(crate) fn with<T>(&self, operation: impl FnOnce(&mut Frontier) -> T) -> T {
        operation(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
