//! What a wallet may still spend: its balance on chain, less what is in flight, less its reserve. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::batch::error::Deferral;

/// A blockhash lives about a minute: what has not landed by now never will.
const FORGET_AFTER: Duration = Duration::from_mins(3);

/// Lamports set aside in a wallet for one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChargeId(u64);

/// A balance and what is about to leave it.
#[derive(Debug, Default)]
pub(crate) struct Wallet {
    balance: u64,
    read_at_slot: u64,
    charges: HashMap<ChargeId, Charge>,
    next_id: u64,
}

#[derive(Debug)]
struct Charge {
    lamports: u64,
    since: Instant,
    /// Set once the transaction landed; a balance read at that slot or later has it subtracted already.
    landed_at_slot: Option<u64>,
}

impl Wallet {
    /// Takes over a reading, unless it is older than the last one (endpoints differ).
    pub(crate) fn read(&mut self, slot: u64, lamports: u64, now: Instant) {
        if slot >= self.read_at_slot {
            self.balance = lamports;
            self.read_at_slot = slot;
            self.charges.retain(|_, charge| match charge.landed_at_slot {
                Some(landed) => landed > slot,
                None => now.duration_since(charge.since) < FORGET_AFTER,
            });
        }
    }

    /// The balance of the last reading.
    pub(crate) fn balance(&self) -> u64 {
        self.balance
    }

    /// Lamports that nothing in flight has a claim to.
    pub(crate) fn available(&self) -> u64 {
        self.charges
            .values()
            .fold(self.balance, |left, charge| left.saturating_sub(charge.lamports))
    }

    /// Sets `lamports` aside, unless the wallet would go below `reserve`.
    pub(crate) fn charge(&mut self, lamports: u64, reserve: u64, now: Instant) -> Result<ChargeId, Deferral> {
        let available = self.available();
        if available < lamports.saturating_add(reserve) {
            return Err(Deferral::WalletReserve {
                available,
                requested: lamports,
                reserve,
            });
        }
        let id = ChargeId(self.next_id);
        self.next_id += 1;
        self.charges.insert(
            id,
            Charge {
                lamports,
                since: now,
                landed_at_slot: None,
            },
        );
        Ok(id)
    }

    /// The transaction landed: the charge is part of every balance from `slot` on.
    pub(crate) fn landed(&mut self, id: ChargeId, slot: u64) {
        if slot <= self.read_at_slot {
            self.charges.remove(&id);
        } else if let Some(charge) = self.charges.get_mut(&id) {
            charge.landed_at_slot = Some(slot);
        }
    }

    /// The transaction can't land any more.
    pub(crate) fn refund(&mut self, id: ChargeId) {
        self.charges.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_untouched_by_what_is_in_flight_together() {
        let now = Instant::now();
        let mut wallet = Wallet::default();
        wallet.read(1, 1_000, now);
        assert!(wallet.charge(400, 200, now).is_ok());
        assert!(wallet.charge(400, 200, now).is_ok());
        assert_eq!(
            wallet.charge(1, 200, now),
            Err(Deferral::WalletReserve {
                available: 200,
                requested: 1,
                reserve: 200
            })
        );
    }

    #[test]
    fn a_landed_charge_counts_until_a_balance_from_its_slot_is_read() {
        let now = Instant::now();
        let mut wallet = Wallet::default();
        wallet.read(10, 1_000, now);
        let id = wallet.charge(300, 0, now).unwrap();
        wallet.landed(id, 12);
        wallet.read(11, 1_000, now);
        assert_eq!(wallet.available(), 700, "slot 11 is before the transaction");
        wallet.read(12, 700, now);
        assert_eq!(wallet.available(), 700);
    }

    #[test]
    fn a_balance_that_was_read_after_the_landing_is_not_reduced_twice() {
        let now = Instant::now();
        let mut wallet = Wallet::default();
        wallet.read(10, 1_000, now);
        let id = wallet.charge(300, 0, now).unwrap();
        wallet.read(15, 700, now);
        assert_eq!(wallet.available(), 400, "whether it landed is not known yet");
        wallet.landed(id, 12);
        assert_eq!(wallet.available(), 700);
    }

    #[test]
    fn an_older_reading_changes_nothing_and_a_refund_frees() {
        let now = Instant::now();
        let mut wallet = Wallet::default();
        wallet.read(10, 1_000, now);
        wallet.read(9, 5, now);
        assert_eq!(wallet.balance(), 1_000);
        let id = wallet.charge(300, 0, now).unwrap();
        wallet.refund(id);
        assert_eq!(wallet.available(), 1_000);
    }

    #[test]
    fn what_nobody_followed_is_freed_once_it_cannot_land_any_more() {
        let now = Instant::now();
        let mut wallet = Wallet::default();
        wallet.read(1, 1_000, now);
        assert!(wallet.charge(300, 0, now).is_ok());
        wallet.read(2, 1_000, now + FORGET_AFTER / 2);
        assert_eq!(wallet.available(), 700);
        wallet.read(3, 1_000, now + FORGET_AFTER);
        assert_eq!(wallet.available(), 1_000);
    }
}
