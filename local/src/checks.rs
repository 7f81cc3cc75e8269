//! What `/health` looks at: the RPC's slot, the wallets' balances, the event stream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health};
use session_chain::RpcPool;
use session_engine::Engine;
use session_listener::ListenerStatus;
use tokio::sync::watch;

/// One request may take this long; a check is made of one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The RPC tells its slot, and it moves.
pub(crate) struct RpcSlot(pub(crate) RpcPool);

#[async_trait]
impl Check for RpcSlot {
    fn name(&self) -> &'static str {
        "rpc_slot"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let commitment = self.0.commitment();
        let deadline = Some(Instant::now() + PATIENCE);
        let slot = |rpc: Arc<session_chain::RpcClient>| async move { rpc.get_slot_with_commitment(commitment).await };
        match self.0.call("getSlot", deadline, slot).await {
            Ok(_slot) => Ok(Health::Good),
            Err(error) => Err(CheckFailure::new(error.to_string())),
        }
    }
}

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

/// The listener hears the chain, gets ahead, and can save its cursor.
pub(crate) struct EventStream(pub(crate) watch::Receiver<ListenerStatus>);

#[async_trait]
impl Check for EventStream {
    fn name(&self) -> &'static str {
        "event_stream"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let status = self.0.borrow();
        if !status.connected {
            return Err(CheckFailure::new(
                "no notifications come in; the listener is reconnecting",
            ));
        }
        if let Some(reason) = &status.stalled {
            return Err(CheckFailure::new(format!("the listener does not get ahead: {reason}")));
        }
        if let Some(reason) = &status.cursor_error {
            return Err(CheckFailure::new(format!("the cursor cannot be saved: {reason}")));
        }
        if status.backpressure {
            return Ok(Health::Degraded(String::from(
                "the queue is slow; the listener waits for it",
            )));
        }
        Ok(Health::Good)
    }
}
