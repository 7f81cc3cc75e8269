//! The watermark, shared between the tasks of a listener. No lock is held across an await.

use std::sync::{Arc, Mutex, PoisonError};

use solana_sdk::signature::Signature;

use crate::checkpoint::{claim::Claim, watermark::Watermark};

/// The one [`Watermark`].
#[derive(Debug)]
pub(crate) struct SharedWatermark(Mutex<Watermark>);

impl SharedWatermark {
    pub(crate) fn new(watermark: Watermark) -> Self {
        Self(Mutex::new(watermark))
    }

    /// Does something with the watermark. Its operations leave it whole, so a poisoned lock is as good as any.
    pub(crate) fn with<T>(&self, operation: impl FnOnce(&mut Watermark) -> T) -> T {
        operation(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a transaction on; `None` if somebody has it, or it is done.
    pub(crate) fn claim(self: &Arc<Self>, signature: Signature, slot: u64) -> Option<Claim> {
        self.with(|watermark| watermark.claim(signature, slot))
            .then(|| Claim::new(Arc::clone(self), signature))
    }
}
