//! What `/health` looks at beside the listener's own checks: the wallets' balances.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health};
use session_chain::RpcPool;
use session_engine::Engine;

/// One request may take this long; a check is made of one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The wallets have enough, as the engine read them last.
pub(crate) struct WalletBalance {
    pub(crate) engine: Arc<Engine>,
    pub(crate) pool: RpcPool,
}

#[async_trait]
impl Check for WalletBalance {
    fn name(&self) -> &'static str {
        "wallet_balance"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let addresses: Vec<_> = self.engine.wallets().iter().map(|wallet| wallet.address).collect();
        let policy = self.engine.policy();
        let (low, reserve) = (policy.wallet_low_lamports, policy.wallet_reserve_lamports);
        let deadline = Some(Instant::now() + PATIENCE);
        let mut warnings = Vec::new();
        for address in addresses {
            let balance = |rpc: Arc<session_chain::RpcClient>| async move { rpc.get_balance(&address).await };
            match self.pool.call("getBalance", deadline, balance).await {
                Ok(lamports) if lamports <= reserve => {
                    let reason = format!("wallet {address} has {lamports} lamports, and its reserve is {reserve}");
                    return Err(CheckFailure::new(reason));
                }
                Ok(lamports) if lamports < low => {
                    warnings.push(format!("wallet {address} is low: {lamports} lamports"));
                }
                Ok(_) => {}
                Err(error) => return Err(CheckFailure::new(error.to_string())),
            }
        }
        Ok(if warnings.is_empty() {
            Health::Good
        } else {
            Health::Degraded(warnings.join("; "))
        })
    }
}
