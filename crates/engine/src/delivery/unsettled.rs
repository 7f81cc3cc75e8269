//! Transactions that were sent and whose fate nobody has seen: the next attempt at one of their PDAs follows them
//! before it signs anything new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use solana_pubkey::Pubkey;

use crate::delivery::sending::Signed;

/// No blockhash lives so long.
const FORGET_AFTER: Duration = Duration::from_mins(5);

/// Sent transactions, by the PDAs that they create.
#[derive(Default)]
pub(crate) struct Unsettled {
    sent: Mutex<HashMap<Pubkey, (Instant, Arc<Signed>)>>,
}

impl Unsettled {
    pub(crate) fn remember(&self, pdas: impl IntoIterator<Item = Pubkey>, signed: &Arc<Signed>) {
        let now = Instant::now();
        let mut sent = self.lock();
        sent.retain(|_, (since, _)| since.elapsed() < FORGET_AFTER);
        sent.extend(pdas.into_iter().map(|pda| (pda, (now, Arc::clone(signed)))));
    }

    /// The transaction's fate is known.
    pub(crate) fn forget(&self, signed: &Signed) {
        self.lock().retain(|_, (_, sent)| sent.signature != signed.signature);
    }

    pub(crate) fn find(&self, pda: &Pubkey) -> Option<Arc<Signed>> {
        self.lock().get(pda).map(|(_, signed)| Arc::clone(signed))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pubkey, (Instant, Arc<Signed>)>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
