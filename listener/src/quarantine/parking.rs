//! Transactions that the chain lists and does not give: kept in sight and asked for again, while those behind them go
//! on. Each stays unsettled, so that the cursor waits before it.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::gauge;
use session_telemetry::names;
use solana_sdk::signature::Signature;

use crate::{checkpoint::claim::Claim, decode::listed::Listed, status::StatusBoard};

/// More than these are no exception: the listing waits for the next one.
const PARKED_MAX: usize = 64;

/// The parked transactions, oldest first, each with why it is here.
#[derive(Debug)]
pub(crate) struct Parking {
    parked: Mutex<Vec<Parked>>,
    status: Arc<StatusBoard>,
}

/// A parked transaction.
#[derive(Debug)]
struct Parked {
    listed: Listed,
    reason: String,
    /// Unsettled as long as it is here.
    claim: Claim,
}

impl Parking {
    pub(crate) fn new(status: Arc<StatusBoard>) -> Self {
        Self {
            parked: Mutex::default(),
            status,
        }
    }

    /// Whether another transaction may be parked.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().len() < PARKED_MAX
    }

    /// Keeps a transaction, and whoever has claimed it.
    pub(crate) fn park(&self, listed: Listed, claim: Claim, reason: &dyn Display) {
        let mut parked = self.lock();
        tracing::error!(signature = %listed.signature, slot = listed.slot, error = %reason, "a listed transaction cannot be had: the listing goes on without it, the cursor waits before it");
        let reason = reason.to_string();
        parked.push(Parked { listed, reason, claim });
        self.tell(&parked);
    }

    /// What is to be asked for again.
    pub(crate) fn parked(&self) -> Vec<Listed> {
        self.lock().iter().map(|parked| parked.listed).collect()
    }

    /// The transaction has come: its claim, which is settled when it is read.
    pub(crate) fn release(&self, signature: &Signature) -> Option<Claim> {
        let mut parked = self.lock();
        let position = parked.iter().position(|parked| parked.listed.signature == *signature)?;
        let released = parked.remove(position);
        tracing::info!(%signature, left = parked.len(), "a transaction that could not be had has come");
        self.tell(&parked);
        Some(released.claim)
    }

    fn tell(&self, parked: &[Parked]) {
        // At most 64: exact as a float.
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        gauge!(names::LISTENER_PARKED_TRANSACTIONS).set(parked.len() as f64);
        self.status
            .withheld(parked.first().map(|Parked { listed, reason, .. }| {
                let (count, signature, slot) = (parked.len(), listed.signature, listed.slot);
                format!("{count} listed transactions cannot be had, the first is {signature} of slot {slot}: {reason}")
            }));
    }

    /// A list is never left half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Vec<Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
