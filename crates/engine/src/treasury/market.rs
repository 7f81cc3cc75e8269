//! The price of compute units: what recent blocks took, raised by every transaction that expired.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use session_telemetry::names;
use tokio::time::Instant;

/// Where blocks take anything, an expiry still says that more would have helped: raising begins here, in micro-lamports.
const LOWEST_RAISED: u64 = 10_000;
/// Doublings at most; the cap in lamports stands before that.
const RAISES_MAX: u32 = 20;

/// A raised price is lowered again when it has held for so long: what was enough a moment ago may be too much now, and the
/// next try at less costs the life of a blockhash where it is not.
const CALM: Duration = Duration::from_mins(2);

/// The market as it was last seen. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeeMarket(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    micro_lamports_per_unit: u64,
    raises: u32,
    /// When the raises changed last.
    changed_at: Option<Instant>,
}

/// What a transaction offers for each compute unit, and how often the market's price was doubled for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) micro_lamports_per_unit: u64,
    raises: u32,
}

impl FeeMarket {
    /// What the next transaction should offer.
    pub(crate) fn offer(&self) -> Offer {
        self.state().offer()
    }

    /// What recent blocks took.
    pub(crate) fn learn(&self, recent: &[u64]) {
        let mut state = self.state();
        state.micro_lamports_per_unit = price(recent);
        state.report();
    }

    /// A transaction was in no block while its blockhash lived: the next one offers twice as much. Those that were out
    /// together say it once.
    pub(crate) fn expired(&self, offer: Offer, now: Instant) {
        let mut state = self.state();
        if offer.raises >= state.raises {
            state.raises = (offer.raises + 1).min(RAISES_MAX);
            state.changed_at = Some(now);
            state.report();
        }
    }

    /// A transaction landed: where nothing has expired for a while, the next one may offer half as much.
    pub(crate) fn landed(&self, offer: Offer, now: Instant) {
        let mut state = self.state();
        let is_calm = state
            .changed_at
            .is_none_or(|changed| now.saturating_duration_since(changed) >= CALM);
        if is_calm && state.raises > 0 && offer.raises <= state.raises {
            state.raises -= 1;
            state.changed_at = Some(now);
            state.report();
        }
    }

    /// A few numbers that are never left half changed: a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn offer(&self) -> Offer {
        let market = self.micro_lamports_per_unit;
        let micro_lamports_per_unit = match self.raises {
            0 => market,
            raises => market.max(LOWEST_RAISED).saturating_mul(1 << raises),
        };
        Offer {
            micro_lamports_per_unit,
            raises: self.raises,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn report(&self) {
        gauge!(names::PRIORITY_FEE).set(self.offer().micro_lamports_per_unit as f64);
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

    fn price_of(market: &FeeMarket) -> u64 {
        market.offer().micro_lamports_per_unit
    }

    #[test]
    fn every_expiry_doubles_the_price_and_calm_halves_it_again() {
        let (market, mut now) = (FeeMarket::default(), Instant::now());
        assert_eq!(price_of(&market), 0);
        market.expired(market.offer(), now);
        assert_eq!(price_of(&market), 2 * LOWEST_RAISED);
        market.expired(market.offer(), now);
        assert_eq!(price_of(&market), 4 * LOWEST_RAISED);
        market.learn(&[1_000_000]);
        assert_eq!(price_of(&market), 4_000_000);
        market.landed(market.offer(), now);
        assert_eq!(price_of(&market), 4_000_000, "it was needed a moment ago");
        for _ in 0..3 {
            now += CALM;
            market.landed(market.offer(), now);
            market.landed(market.offer(), now);
        }
        assert_eq!(price_of(&market), 1_000_000);
        for _ in 0..100 {
            market.expired(market.offer(), now);
        }
        assert!(price_of(&market) > 1_000_000);
    }

    #[test]
    fn transactions_that_were_out_together_raise_it_once() {
        let (market, now) = (FeeMarket::default(), Instant::now());
        let offers = [market.offer(); 10];
        for offer in offers {
            market.expired(offer, now);
        }
        assert_eq!(price_of(&market), 2 * LOWEST_RAISED);
    }
}
