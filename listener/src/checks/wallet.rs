//! The wallets that pay.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::{try_join, try_join_all};
use metrics::gauge;
use session_admin::{Check, CheckFailure, Health, in_time};
use session_chain::{ChainError, RpcClient, RpcPool};
use session_telemetry::names;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use super::PATIENCE;

/// A session with a short id and no namespaces.
const SMALL_SESSION_BYTES: usize = 168;
/// What the runtime takes for a signature (Solana, "Transaction fees").
const SIGNATURE_FEE_LAMPORTS: u64 = 5_000;

/// The wallets that pay have enough.
#[derive(Clone)]
pub struct WalletBalance {
    /// The chain.
    pub pool: RpcPool,
    /// The wallets.
    pub addresses: Vec<Pubkey>,
    /// Below this a wallet should be refilled.
    pub low_lamports: u64,
    /// This much a wallet keeps: at it, nothing is paid for any more.
    pub reserve_lamports: u64,
}

#[async_trait]
impl Check for WalletBalance {
    fn name(&self) -> &'static str {
        "wallet_balance"
    }

    fn every(&self, configured: Duration) -> Duration {
        in_time(configured, PATIENCE)
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let deadline = Some(Instant::now() + PATIENCE);
        let balance = |address: Pubkey| {
            let ask = move |client: Arc<RpcClient>| async move { client.get_balance(&address).await };
            self.pool.call("getBalance", deadline, ask)
        };
        let balances = try_join_all(self.addresses.iter().copied().map(balance));
        let (balances, session) = try_join(balances, self.session_lamports(deadline))
            .await
            .map_err(|error| CheckFailure::new(error.to_string()))?;
        let wallets: Vec<(Pubkey, u64)> = self.addresses.iter().copied().zip(balances).collect();
        self.record(&wallets);
        let reserve = self.reserve_lamports;
        let with_room = wallets
            .iter()
            .any(|(_, lamports)| lamports.saturating_sub(reserve) >= session);
        let low: Vec<String> = wallets
            .iter()
            .filter(|(_, lamports)| *lamports < self.low_lamports)
            .map(|(address, lamports)| format!("wallet {address} has {lamports} lamports"))
            .collect();
        if !with_room {
            let reason = format!(
                "{}; each keeps {reserve}, and a small session costs {session}: nothing can be paid for",
                low.join(", ")
            );
            return Err(CheckFailure::new(reason));
        }
        Ok(if low.is_empty() {
            Health::Good
        } else {
            Health::Degraded(format!("{}: low, refill below {}", low.join(", "), self.low_lamports))
        })
    }
}

impl WalletBalance {
    /// What the smallest session costs at today's price of storage, its transaction's signature included.
    async fn session_lamports(&self, deadline: Option<Instant>) -> Result<u64, ChainError> {
        let ask = |client: Arc<RpcClient>| async move {
            client.get_minimum_balance_for_rent_exemption(SMALL_SESSION_BYTES).await
        };
        let rent = self
            .pool
            .call("getMinimumBalanceForRentExemption", deadline, ask)
            .await?;
        Ok(rent + SIGNATURE_FEE_LAMPORTS)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; below 9 million SOL every lamport is exact"
    )]
    fn record(&self, wallets: &[(Pubkey, u64)]) {
        let total = wallets
            .iter()
            .fold(0_u64, |sum, (_, lamports)| sum.saturating_add(*lamports));
        gauge!(names::WALLET_BALANCE_LAMPORTS).set(total as f64);
        let low = wallets
            .iter()
            .filter(|(_, lamports)| *lamports < self.low_lamports)
            .count();
        gauge!(names::WALLET_LOW).set(low as f64);
    }
}
