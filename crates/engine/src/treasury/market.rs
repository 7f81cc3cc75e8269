//! The price of compute units: what recent blocks took, raised by every transaction that expired.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use metrics::gauge;
use session_telemetry::names;

/// Where blocks take anything, an expiry still says that more would have helped: raising begins here, in micro-lamports.
const LOWEST_RAISED: u64 = 10_000;
/// Doublings at most; the cap in lamports stands before that.
const RAISES_MAX: u32 = 20;

/// The market as it was last seen. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeeMarket(Arc<State>);

#[derive(Debug, Default)]
struct State {
    micro_lamports_per_unit: AtomicU64,
    raises: AtomicU32,
}

impl FeeMarket {
    /// Micro-lamports for each compute unit.
    pub(crate) fn micro_lamports_per_unit(&self) -> u64 {
        let market = self.0.micro_lamports_per_unit.load(Ordering::Relaxed);
        match self.0.raises.load(Ordering::Relaxed) {
            0 => market,
            raises => market.max(LOWEST_RAISED).saturating_mul(1 << raises.min(RAISES_MAX)),
        }
    }

    /// What recent blocks took.
    pub(crate) fn learn(&self, recent: &[u64]) {
        self.0.micro_lamports_per_unit.store(price(recent), Ordering::Relaxed);
        self.report();
    }

    /// A transaction was in no block while its blockhash lived: the next one offers twice as much.
    pub(crate) fn expired(&self) {
        self.raise(|raises| Some((raises + 1).min(RAISES_MAX)));
    }

    /// A transaction landed: the next one may offer half as much.
    pub(crate) fn landed(&self) {
        self.raise(|raises| raises.checked_sub(1));
    }

    fn raise(&self, change: impl Fn(u32) -> Option<u32>) {
        // A change that there is none of leaves it as it is.
        let _ = self.0.raises.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        self.report();
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn report(&self) {
        gauge!(names::PRIORITY_FEE).set(self.micro_lamports_per_unit() as f64);
    }
}

/// What three of four of the blocks took in which anything was paid. The method tells each block's lowest price, so
/// blocks that had room say 0 and nothing of what others paid.
fn price(recent: &[u64]) -> u64 {
    let mut paid: Vec<u64> = recent.iter().copied().filter(|price| *price > 0).collect();
    // Where most blocks have room, nothing has to be paid.
    if paid.len() * 2 < recent.len() {
        return 0;
    }
    paid.sort_unstable();
    paid.get(paid.len() * 3 / 4).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_is_that_of_the_blocks_in_which_something_was_paid() {
        assert_eq!(price(&[]), 0);
        assert_eq!(price(&[0, 0, 0, 9]), 0, "most blocks have room");
        assert_eq!(price(&[0, 10, 20, 30, 40]), 40);
    }

    #[test]
    fn every_expiry_doubles_the_price_and_every_landing_halves_it_again() {
        let market = FeeMarket::default();
        assert_eq!(market.micro_lamports_per_unit(), 0);
        market.expired();
        assert_eq!(market.micro_lamports_per_unit(), 2 * LOWEST_RAISED);
        market.expired();
        assert_eq!(market.micro_lamports_per_unit(), 4 * LOWEST_RAISED);
        market.learn(&[1_000_000]);
        assert_eq!(market.micro_lamports_per_unit(), 4_000_000);
        for _ in 0..3 {
            market.landed();
        }
        assert_eq!(market.micro_lamports_per_unit(), 1_000_000);
        for _ in 0..100 {
            market.expired();
        }
        assert!(market.micro_lamports_per_unit() > 1_000_000);
    }
}
