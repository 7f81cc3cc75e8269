//! The deliveries that are under way, by the addresses that they create.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_chain::replies::AccountState;
use session_ledger::{LedgerError, Refusal as NoMoney};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use tokio::sync::watch;

use crate::delivery::blockhash::RecentError;
use crate::delivery::life::Fate;
use crate::treasury::signer::Unsigned;

/// How a delivery ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Its transaction's fate is known.
    Decided {
        signature: Signature,
        /// Not to be used again for the same creations: the same transaction would come of it.
        blockhash: Option<Hash>,
        fate: Fate,
        /// What was read at its addresses after it landed.
        accounts: HashMap<Pubkey, Option<AccountState>>,
    },
    /// Nobody knows yet, and the process ends.
    Left { signature: Signature },
    /// No money was held for it.
    NoMoney(Vec<NoMoney>),
    /// It could not be made.
    Unmade(Unmade),
}

/// Why a transaction could not be made.
#[derive(Debug)]
pub(crate) enum Unmade {
    /// As many transactions are under way as may be, and none of them ended in time.
    NoRoom,
    /// There is no recent blockhash.
    NoBlockhash(RecentError),
    /// It could not be put together.
    Compilation(String),
    /// The wallet's key did not sign.
    Unsigned { payer: Pubkey, unsigned: Unsigned },
    /// The books could not be asked.
    Ledger(Arc<LedgerError>),
}

/// A delivery as those see it who wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    ended: watch::Receiver<Progress>,
}

/// What is known of a delivery so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) signature: Option<Signature>,
    pub(crate) ending: Option<Arc<Ending>>,
}

/// The deliveries that are under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    running: Arc<Mutex<HashMap<Pubkey, Running>>>,
}

/// A delivery's own entry; it is taken out when this is dropped.
pub(crate) struct Entry {
    registry: Registry,
    pdas: Vec<Pubkey>,
    progress: watch::Sender<Progress>,
}

impl Registry {
    /// Enters a delivery for `pdas`.
    pub(crate) fn enter(&self, pdas: Vec<Pubkey>) -> (Entry, Running) {
        let (progress, ended) = watch::channel(Progress::default());
        let running = Running { ended };
        self.lock().extend(pdas.iter().map(|pda| (*pda, running.clone())));
        let entry = Entry {
            registry: self.clone(),
            pdas,
            progress,
        };
        (entry, running)
    }

    /// The delivery that is under way for an address.
    pub(crate) fn of(&self, pda: &Pubkey) -> Option<Running> {
        self.lock().get(pda).cloned()
    }

    /// A map that is never left half changed: a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<Pubkey, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The transaction has its signature.
    pub(crate) fn signed(&self, signature: Signature) {
        self.progress
            .send_modify(|progress| progress.signature = Some(signature));
    }

    /// Tells whoever waits. Nobody who hears of it finds the delivery under way any more.
    pub(crate) fn end(mut self, ending: Ending) {
        self.leave();
        self.progress
            .send_modify(|progress| progress.ending = Some(Arc::new(ending)));
    }

    fn leave(&mut self) {
        let mut running = self.registry.lock();
        for pda in self.pdas.drain(..) {
            running.remove(&pda);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Running {
    /// The transaction, once it is signed.
    pub(crate) fn signature(&self) -> Option<Signature> {
        self.ended.borrow().signature
    }

    /// Whether both are the same delivery.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.ended.same_channel(&other.ended)
    }

    /// How it ended. `None` where its task went away without a word.
    pub(crate) async fn ending(mut self) -> Option<Arc<Ending>> {
        let progress = self.ended.wait_for(|progress| progress.ending.is_some()).await.ok()?;
        progress.ending.clone()
    }
}
