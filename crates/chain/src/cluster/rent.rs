//! The cluster's price of storage.

use std::sync::Arc;

use solana_pubkey::Pubkey;
use tokio::time::Instant;

use crate::{ChainError, RpcClient, RpcPool};

/// The account that holds the price.
pub const RENT_SYSVAR: Pubkey = Pubkey::from_str_const("SysvarRent111111111111111111111111111111111");

/// Bytes that the runtime charges for besides an account's data.
const ACCOUNT_OVERHEAD_BYTES: u64 = 128;

/// Lamports that make an account rent-exempt, by its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RentRate {
    lamports_per_byte: u64,
}

impl RentRate {
    /// A rate of so many lamports a byte.
    #[must_use]
    pub fn new(lamports_per_byte: u64) -> Self {
        Self { lamports_per_byte }
    }

    /// The rate behind the exempt minimum of an account without data.
    #[must_use]
    pub fn from_minimum_of_empty(lamports: u64) -> Self {
        Self::new(lamports.div_ceil(ACCOUNT_OVERHEAD_BYTES))
    }

    /// The rate in the sysvar's bytes: lamports a byte and year as a u64, then the years that make an account exempt as
    /// an f64. Since SIMD-0194 the first is lamports a byte, and the second is 1. `None` where that is not what they are.
    #[must_use]
    pub fn of_sysvar(data: &[u8]) -> Option<Self> {
        let (lamports, rest) = data.split_first_chunk::<8>()?;
        let (threshold, _) = rest.split_first_chunk::<8>()?;
        let (lamports, threshold) = (u64::from_le_bytes(*lamports), f64::from_le_bytes(*threshold));
        let is_plausible = threshold.is_finite() && (1.0..=MOST_YEARS).contains(&threshold);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the runtime multiplies the same two numbers as floats"
        )]
        is_plausible.then(|| Self::new((lamports as f64 * threshold) as u64))
    }

    /// Lamports for each byte.
    #[must_use]
    pub fn lamports_per_byte(self) -> u64 {
        self.lamports_per_byte
    }

    /// Lamports that make an account with `size` bytes of data rent-exempt.
    #[must_use]
    pub fn exempt_minimum(self, size: u64) -> u64 {
        size.saturating_add(ACCOUNT_OVERHEAD_BYTES)
            .saturating_mul(self.lamports_per_byte)
    }
}

/// Two have been in use.
const MOST_YEARS: f64 = 100.0;

/// Asks for the rate where the sysvar does not tell it.
pub(super) async fn ask(pool: &RpcPool, deadline: Instant) -> Result<RentRate, ChainError> {
    let ask = |client: Arc<RpcClient>| async move { client.get_minimum_balance_for_rent_exemption(0).await };
    let minimum = pool
        .call("getMinimumBalanceForRentExemption", Some(deadline), ask)
        .await?;
    Ok(RentRate::from_minimum_of_empty(minimum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysvar(lamports: u64, threshold: f64) -> Vec<u8> {
        [&lamports.to_le_bytes()[..], &threshold.to_le_bytes(), &[50]].concat()
    }

    #[test]
    fn the_rate_gives_back_the_known_minimums_of_mainnet() {
        let rent = RentRate::from_minimum_of_empty(890_880);
        assert_eq!(rent.lamports_per_byte(), 6_960);
        assert_eq!(rent.exempt_minimum(0), 890_880);
        assert_eq!(rent.exempt_minimum(165), 2_039_280);
    }

    #[test]
    fn both_layouts_of_the_sysvar_tell_the_rate() {
        assert_eq!(RentRate::of_sysvar(&sysvar(3_480, 2.0)), Some(RentRate::new(6_960)));
        assert_eq!(RentRate::of_sysvar(&sysvar(6_333, 1.0)), Some(RentRate::new(6_333)));
        assert_eq!(RentRate::of_sysvar(&sysvar(696, 1.0)), Some(RentRate::new(696)));
    }

    #[test]
    fn bytes_that_are_no_rate_are_no_rate() {
        for data in [
            &[][..],
            &[0; 15],
            &sysvar(1, f64::NAN),
            &sysvar(1, -1.0),
            &sysvar(1, 1e18),
        ] {
            assert_eq!(RentRate::of_sysvar(data), None, "{data:?}");
        }
    }
}
