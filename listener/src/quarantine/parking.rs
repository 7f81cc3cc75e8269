//! Transactions that the chain lists and does not give: kept in sight and asked for again, while those behind them go
//! on. Each stays unsettled, so that the cursor waits before it.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::gauge;
use session_telemetry::names;
use solana_sdk::signature::Signature;

use crate::{decode::listed::Listed, status::StatusBoard};

/// More than these are no exception: the listing waits for the next one.
const PARKED_MAX: usize = 64;

/// The parked transactions, oldest first, each with why it is here.
#[derive(Debug)]
pub(crate) struct Parking {
    parked: Mutex<Vec<(Listed, String)>>,
    status: Arc<StatusBoard>,
}

impl Parking {
    pub(crate) fn new(status: Arc<StatusBoard>) -> Self {
        Self {
            parked: Mutex::default(),
            status,
        }
    }

    /// Keeps a transaction if there is room for it.
    pub(crate) fn park(&self, listed: Listed, reason: &dyn Display) -> bool {
        let mut parked = self.lock();
        if parked.len() >= PARKED_MAX {
            return false;
        }
        tracing::error!(signature = %listed.signature, slot = listed.slot, error = %reason, "a listed transaction cannot be had: the listing goes on without it, the cursor waits before it");
        parked.push((listed, reason.to_string()));
        self.tell(&parked);
        true
    }

    /// What is to be asked for again.
    pub(crate) fn parked(&self) -> Vec<Listed> {
        self.lock().iter().map(|(listed, _)| *listed).collect()
    }

    /// The transaction has come.
    pub(crate) fn release(&self, signature: &Signature) {
        let mut parked = self.lock();
        parked.retain(|(listed, _)| listed.signature != *signature);
        tracing::info!(%signature, left = parked.len(), "a transaction that could not be had has come");
        self.tell(&parked);
    }

    fn tell(&self, parked: &[(Listed, String)]) {
        // At most 64: exact as a float.
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        gauge!(names::LISTENER_PARKED_TRANSACTIONS).set(parked.len() as f64);
        self.status.withheld(parked.first().map(|(first, reason)| {
            let (count, signature, slot) = (parked.len(), first.signature, first.slot);
            format!("{count} listed transactions cannot be had, the first is {signature} of slot {slot}: {reason}")
        }));
    }

    /// A list is never left half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Vec<(Listed, String)>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
