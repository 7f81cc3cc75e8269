//! The watermark, shared between the tasks of a listener. No lock is held across an await.

use std::sync::{Arc, Mutex, PoisonError};

use solana_sdk::signature::Signature;

use crate::{
    checkpoint::{
        claim::Claim,
        watermark::{Listing, Watermark},
    },
    decode::listed::Listed,
};

/// What the listing's sight of a transaction means.
#[derive(Debug)]
pub(crate) enum Sight {
    /// Nobody has it.
    New(Claim),
    /// It was taken in from another slot, which is not the one in which it is in the end: it is read again.
    Moved(Claim, u64),
    /// Somebody has it, or it is done.
    Known,
}

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

    /// Takes a transaction on that the listing shows.
    pub(crate) fn claim_listed(self: &Arc<Self>, listed: &Listed) -> Sight {
        let Listed { signature, slot, .. } = *listed;
        let claim = || Claim::new(Arc::clone(self), signature);
        match self.with(|watermark| watermark.claim_listed(signature, slot)) {
            Listing::New => Sight::New(claim()),
            Listing::Moved { seen_slot } => Sight::Moved(claim(), seen_slot),
            Listing::Known => Sight::Known,
        }
    }
}
