//! The rules on what may be created and spent.

use std::collections::BTreeSet;

use session_events::session::{MAX_ACCOUNT_SIZE, SESSION_PROGRAM_ID};
use solana_pubkey::Pubkey;

/// Limits that are checked before anything is spent (`docs/invariants.md`, 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Programs whose accounts may be created. An empty list allows none.
    pub allowed_owner_programs: BTreeSet<Pubkey>,
    /// Largest account, in bytes of data. One CPI can allocate 10,240 at most.
    pub max_account_size: u64,
    /// Lamports that every wallet keeps.
    pub wallet_reserve_lamports: u64,
    /// Below this balance a wallet counts as low (metric `wallet_low`, log, health), before it is empty.
    pub wallet_low_lamports: u64,
    /// Most lamports of priority fee for one transaction.
    pub max_priority_fee_lamports: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allowed_owner_programs: BTreeSet::from([SESSION_PROGRAM_ID]),
            max_account_size: MAX_ACCOUNT_SIZE,
            wallet_reserve_lamports: 10_000_000,
            wallet_low_lamports: 100_000_000,
            max_priority_fee_lamports: 100_000,
        }
    }
}
