//! Watches what changes slowly: the wallets' balances, the cluster's facts and the market price of compute units.

use std::time::Duration;

use metrics::gauge;
use session_chain::replies::{read_accounts_surely, recent_prioritization_fees};
use session_chain::{ChainError, Cluster, RpcPool};
use session_telemetry::names;
use solana_pubkey::Pubkey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::request::policy::Policy;
use crate::treasury::market::FeeMarket;
use crate::treasury::signer::SignerPool;

/// A reading that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The price of others is worth knowing, and nobody waits for it.
const FEES_PATIENCE: Duration = Duration::from_secs(2);

/// A wallet as health checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletStatus {
    /// The wallet.
    pub address: Pubkey,
    /// Its balance at the last reading.
    pub lamports: u64,
    /// Below [`Policy::wallet_low_lamports`].
    pub is_low: bool,
}

/// The watching task.
pub(crate) struct Monitor {
    pub(crate) pool: RpcPool,
    pub(crate) signers: SignerPool,
    pub(crate) cluster: Cluster,
    pub(crate) policy: Policy,
    pub(crate) market: FeeMarket,
}

impl Monitor {
    /// Looks again after every `interval`, until `stop`.
    pub(crate) async fn run(self, interval: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look(Instant::now() + PATIENCE) => looked,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "wallet balances could not be read; the last ones stay in use");
            }
        }
    }

    /// One reading of everything, which is given up at `deadline`.
    pub(crate) async fn look(&self, deadline: Instant) -> Result<(), ChainError> {
        let addresses = self.signers.addresses();
        let asked = [&addresses[..], &Cluster::FACTS].concat();
        let is_wallet = |address: &Pubkey| addresses.contains(address);
        let reading = read_accounts_surely(&self.pool, &asked, None, Some(deadline), is_wallet).await?;
        self.cluster.note(&asked, &reading);
        for (payer, account) in self.signers.payers().iter().zip(&reading.accounts) {
            let lamports = account.as_ref().map_or(0, |account| account.lamports);
            payer.wallet().read(reading.slot, lamports);
        }
        report(&wallet_statuses(&self.signers, &self.policy));
        if self.policy.max_priority_fee_lamports > 0 {
            // Of all transactions, whatever they write to: what is asked about our own wallets is our own price.
            let fees_until = deadline.min(Instant::now() + FEES_PATIENCE);
            match recent_prioritization_fees(&self.pool, &[], Some(fees_until)).await {
                Ok(recent) => self.market.learn(&recent),
                // Not every provider serves the method, and without it transactions still land.
                Err(error) => {
                    tracing::warn!(%error, "recent priority fees could not be read; the last price stays in use");
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn wallet_statuses(signers: &SignerPool, policy: &Policy) -> Vec<WalletStatus> {
    let status = |payer: &crate::treasury::signer::Payer| {
        let lamports = payer.wallet().balance();
        WalletStatus {
            address: payer.address,
            lamports,
            is_low: lamports < policy.wallet_low_lamports,
        }
    };
    signers.payers().iter().map(status).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; below 9 million SOL every lamport is exact"
)]
fn report(wallets: &[WalletStatus]) {
    let total = wallets
        .iter()
        .fold(0_u64, |sum, wallet| sum.saturating_add(wallet.lamports));
    gauge!(names::WALLET_BALANCE_LAMPORTS).set(total as f64);
    let low = wallets.iter().filter(|wallet| wallet.is_low);
    gauge!(names::WALLET_LOW).set(low.clone().count() as f64);
    for wallet in low {
        tracing::warn!(wallet = %wallet.address, lamports = wallet.lamports, "the wallet runs low; fund it");
    }
}
