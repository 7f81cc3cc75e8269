//! What the books say, for a person.

use std::{collections::BTreeMap, time::SystemTime};

use solana_pubkey::Pubkey;

use crate::account::{Account, AccountKey, Limits};

/// The sums of all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Of everybody together.
    pub total: Sums,
    /// Of each requester.
    pub requesters: BTreeMap<Pubkey, Sums>,
    /// Transactions that are not decided.
    pub open_holds: usize,
}

/// Lamports of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// In accounts that exist, as far as is known.
    pub locked_lamports: u64,
    /// Gone with accounts that were closed.
    pub lost_lamports: u64,
    /// Spent on fees.
    pub fee_lamports: u64,
    /// Set aside for transactions that are not decided.
    pub held_lamports: u64,
    /// What may still be spent in this hour; `None` where there is no limit.
    pub budget_left_lamports: Option<u64>,
}

impl Summary {
    /// The sums of these accounts.
    #[must_use]
    pub fn of(
        accounts: impl IntoIterator<Item = (AccountKey, Account)>,
        open_holds: usize,
        limits: &Limits,
        now: SystemTime,
    ) -> Self {
        let mut summary = Self {
            total: Sums {
                budget_left_lamports: limits.lamports_per_hour,
                ..Sums::default()
            },
            open_holds,
            ..Self::default()
        };
        for (key, account) in accounts {
            let sums = Sums {
                locked_lamports: account.locked_lamports,
                lost_lamports: account.lost_lamports,
                fee_lamports: account.fee_lamports,
                held_lamports: account.held_lamports,
                budget_left_lamports: key
                    .limit(limits)
                    .map(|limit| limit.saturating_sub(account.counting(now))),
            };
            match key {
                AccountKey::Total => summary.total = sums,
                AccountKey::Requester(requester) => drop(summary.requesters.insert(requester, sums)),
            }
        }
        summary
    }
}

impl Sums {
    /// Lamports that left the wallets.
    #[must_use]
    pub fn spent_lamports(&self) -> u64 {
        self.locked_lamports
            .saturating_add(self.lost_lamports)
            .saturating_add(self.fee_lamports)
    }
}
