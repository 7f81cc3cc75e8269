//! A wallet's balance as it was last read. What is held of it is the ledger's to know. Pure.

/// The last reading.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wallet {
    lamports: u64,
    slot: u64,
}

impl Wallet {
    /// Takes over a reading, unless it is older than the last one: endpoints differ.
    pub(crate) fn read(&mut self, slot: u64, lamports: u64) {
        if slot >= self.slot {
            *self = Self { lamports, slot };
        }
    }

    /// The balance of the last reading.
    pub(crate) fn balance(self) -> u64 {
        self.lamports
    }

    /// The slot of the last reading.
    pub(crate) fn slot(self) -> u64 {
        self.slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_reading_changes_nothing() {
        let mut wallet = Wallet::default();
        wallet.read(10, 1_000);
        wallet.read(9, 5);
        assert_eq!((wallet.balance(), wallet.slot()), (1_000, 10));
        wallet.read(11, 700);
        assert_eq!(wallet.balance(), 700);
    }
}
