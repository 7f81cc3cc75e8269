//! What all processes together hold of one wallet, and what left it so lately that a reading may not show it.

use serde::{Deserialize, Serialize};

use crate::{hold::WalletReading, refusal::Refusal};
use solana_pubkey::Pubkey;

/// How far a reading may lie behind the newest landing: two minutes, which no endpoint that is in use lags.
const REMEMBERED_SLOTS: u64 = 300;

/// One wallet's account of the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletAccount {
    /// Lamports of open holds.
    pub held_lamports: u64,
    /// The newest slots in which something left the wallet, and what.
    landed: Vec<(u64, u64)>,
}

impl WalletAccount {
    /// Checks that the wallet keeps its reserve after `requested` lamports and all that is not in its balance yet.
    pub(crate) fn check(&self, wallet: Pubkey, requested: u64, reading: &WalletReading) -> Result<(), Refusal> {
        let newest = self.landed.iter().map(|(slot, _)| *slot).max().unwrap_or(0);
        if reading.slot + REMEMBERED_SLOTS < newest {
            return Err(Refusal::StaleReading {
                wallet,
                slot: reading.slot,
                newest,
            });
        }
        let unread = self.landed.iter().filter(|(slot, _)| *slot > reading.slot);
        let available = unread.fold(
            reading.balance_lamports.saturating_sub(self.held_lamports),
            |left, (_, lamports)| left.saturating_sub(*lamports),
        );
        if available < requested.saturating_add(reading.reserve_lamports) {
            return Err(Refusal::WalletReserve {
                wallet,
                available,
                requested,
                reserve: reading.reserve_lamports,
            });
        }
        Ok(())
    }

    pub(crate) fn hold(&mut self, lamports: u64) {
        self.held_lamports = self.held_lamports.saturating_add(lamports);
    }

    pub(crate) fn release(&mut self, lamports: u64) {
        self.held_lamports = self.held_lamports.saturating_sub(lamports);
    }

    /// Lamports left the wallet in a block of this slot.
    pub(crate) fn land(&mut self, slot: u64, lamports: u64) {
        match self.landed.iter_mut().find(|(at, _)| *at == slot) {
            Some((_, sum)) => *sum = sum.saturating_add(lamports),
            None => self.landed.push((slot, lamports)),
        }
        let newest = self.landed.iter().map(|(at, _)| *at).max().unwrap_or(slot);
        self.landed.retain(|(at, _)| at + REMEMBERED_SLOTS >= newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: Pubkey = Pubkey::new_from_array([7; 32]);

    fn reading(balance_lamports: u64, slot: u64) -> WalletReading {
        WalletReading {
            balance_lamports,
            slot,
            reserve_lamports: 200,
        }
    }

    #[test]
    fn what_anybody_holds_is_not_there() {
        let mut wallet = WalletAccount::default();
        wallet.hold(700);
        assert_eq!(wallet.check(WALLET, 100, &reading(1_000, 1)), Ok(()));
        let refused = wallet.check(WALLET, 101, &reading(1_000, 1));
        assert!(
            matches!(refused, Err(Refusal::WalletReserve { available: 300, .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn what_landed_after_the_reading_is_not_there_and_is_not_taken_twice() {
        let mut wallet = WalletAccount::default();
        wallet.hold(300);
        wallet.release(300);
        wallet.land(12, 300);
        assert!(wallet.check(WALLET, 501, &reading(1_000, 11)).is_err());
        assert_eq!(wallet.check(WALLET, 500, &reading(1_000, 11)), Ok(()));
        assert_eq!(wallet.check(WALLET, 500, &reading(700, 12)), Ok(()));
    }

    #[test]
    fn a_reading_from_before_all_that_is_remembered_is_no_reading() {
        let mut wallet = WalletAccount::default();
        wallet.land(1_000, 5);
        wallet.land(1_301, 5);
        assert!(matches!(
            wallet.check(WALLET, 1, &reading(1_000, 1_000)),
            Err(Refusal::StaleReading { .. })
        ));
        assert_eq!(wallet.check(WALLET, 1, &reading(1_000, 1_001)), Ok(()));
    }
}
