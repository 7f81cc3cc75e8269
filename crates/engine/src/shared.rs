//! What all batches of an engine share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use session_chain::{Cluster, RpcPool};
use solana_pubkey::Pubkey;

use crate::batch::error::Deferral;
use crate::config::EngineConfig;
use crate::delivery::blockhash::Blockhashes;
use crate::delivery::sending::Sender;
use crate::delivery::unsettled::Unsettled;
use crate::request::policy::Policy;
use crate::transaction::formats::Formats;
use crate::treasury::budget::Budget;
use crate::treasury::monitor::MarketPrice;
use crate::treasury::signer::SignerPool;

/// The chain, the wallets, what is out, and what was spent.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) pool: RpcPool,
    pub(crate) signers: SignerPool,
    pub(crate) cluster: Cluster,
    pub(crate) formats: Formats,
    pub(crate) blockhashes: Blockhashes,
    pub(crate) sender: Sender,
    pub(crate) unsettled: Unsettled,
    pub(crate) price: MarketPrice,
    pub(crate) budget: Mutex<Budget>,
    /// The budget's hours are counted from here.
    pub(crate) started: Instant,
}

impl Shared {
    /// The rules that requests are checked against.
    pub(crate) fn policy(&self) -> &Policy {
        &self.config.policy
    }

    /// Counts `lamports` as spent for a session owner if the budget allows it and `spendable` covers them; takes them
    /// from `spendable`.
    pub(crate) fn charge(&self, owner: &Pubkey, lamports: u64, spendable: &mut u64) -> Result<(), Deferral> {
        let policy = self.policy();
        let Some(left) = spendable.checked_sub(lamports) else {
            let reserve = policy.wallet_reserve_lamports;
            let available = spendable.saturating_add(reserve);
            return Err(Deferral::WalletReserve {
                available,
                requested: lamports,
                reserve,
            });
        };
        self.budget().charge(owner, lamports, policy, self.started.elapsed())?;
        *spendable = left;
        Ok(())
    }

    /// Gives the budget back what was not spent for a session owner.
    pub(crate) fn refund(&self, owner: &Pubkey, lamports: u64) {
        self.budget().refund(owner, lamports);
    }

    /// The budget's numbers. They are never left half changed, so a poisoned lock is as good as any.
    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
