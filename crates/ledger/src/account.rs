//! Lamports of one account of the books: in total, or of one requester.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::window::Window;

/// The limits on what is spent in any hour. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Lamports of all requests together.
    pub lamports_per_hour: Option<u64>,
    /// Lamports of each requester.
    pub lamports_per_requester_per_hour: Option<u64>,
}

/// Whose lamports an account counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKey {
    /// Everybody's.
    Total,
    /// One requester's.
    Requester(Pubkey),
}

impl AccountKey {
    /// The limit that stands on such an account.
    #[must_use]
    pub fn limit(self, limits: &Limits) -> Option<u64> {
        match self {
            Self::Total => limits.lamports_per_hour,
            Self::Requester(_) => limits.lamports_per_requester_per_hour,
        }
    }
}

/// What was spent, and is about to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Lamports of open holds.
    pub held_lamports: u64,
    /// Lamports in accounts that exist, as far as is known.
    pub locked_lamports: u64,
    /// Lamports that went with accounts that are gone.
    pub lost_lamports: u64,
    /// Lamports of fees.
    pub fee_lamports: u64,
    /// What was spent in the last hour.
    pub window: Window,
}

/// A limit that has no room now.
#[derive(Clone, Copy)]
pub(crate) struct NoRoom {
    pub(crate) spent: u64,
    pub(crate) room_at: Option<SystemTime>,
}

impl Account {
    /// Lamports that are gone from the wallets for this account, in rent and fees.
    #[must_use]
    pub fn spent_lamports(&self) -> u64 {
        self.locked_lamports
            .saturating_add(self.lost_lamports)
            .saturating_add(self.fee_lamports)
    }

    /// Lamports that count against an hourly limit now: what is held, for as long as it is, and an hour's spending.
    #[must_use]
    pub fn counting(&self, now: SystemTime) -> u64 {
        self.window.spent(now).saturating_add(self.held_lamports)
    }

    pub(crate) fn room(&self, lamports: u64, limit: u64, now: SystemTime) -> Result<(), NoRoom> {
        let spent = self.counting(now);
        if spent.saturating_add(lamports) <= limit {
            return Ok(());
        }
        let room_at = self.window.room_at(now, self.held_lamports, lamports, limit);
        Err(NoRoom { spent, room_at })
    }

    pub(crate) fn hold(&mut self, lamports: u64) {
        self.held_lamports = self.held_lamports.saturating_add(lamports);
    }

    pub(crate) fn release(&mut self, lamports: u64) {
        self.held_lamports = self.held_lamports.saturating_sub(lamports);
    }

    /// Counts rent and fees as spent now. Now is never before they left the wallet, so the hour in which they count
    /// ends no sooner than it should.
    pub(crate) fn spend(&mut self, rent_lamports: u64, fee_lamports: u64, now: SystemTime) {
        self.locked_lamports = self.locked_lamports.saturating_add(rent_lamports);
        self.fee_lamports = self.fee_lamports.saturating_add(fee_lamports);
        self.window.spend(rent_lamports.saturating_add(fee_lamports), now);
    }

    pub(crate) fn lose(&mut self, rent_lamports: u64) {
        self.locked_lamports = self.locked_lamports.saturating_sub(rent_lamports);
        self.lost_lamports = self.lost_lamports.saturating_add(rent_lamports);
    }
}
