//! What `/health` looks at wherever a listener runs: the RPC's slot, the wallets, and the event stream.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::try_join_all;
use metrics::gauge;
use session_admin::{Check, CheckFailure, Health};
use session_chain::{RpcClient, RpcPool};
use session_telemetry::names;
use solana_pubkey::Pubkey;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::status::{ListenerStatus, QuarantineSummary};

/// A check is made of one request, which may take this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The RPC tells its slot.
#[derive(Clone)]
pub struct RpcSlot(pub RpcPool);

#[async_trait]
impl Check for RpcSlot {
    fn name(&self) -> &'static str {
        "rpc_slot"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
        let slot = self.0.call("getSlot", Some(Instant::now() + PATIENCE), ask).await;
        slot.map(|_| Health::Good)
            .map_err(|error| CheckFailure::new(error.to_string()))
    }
}

/// The listener hears the chain, gets ahead, and can save its cursor.
#[derive(Debug)]
pub struct EventStream {
    status: watch::Receiver<ListenerStatus>,
    /// What the last check said: a change before anybody waits for one is a change all the same.
    seen: Mutex<Option<Verdict>>,
}

/// What a status says about the stream.
type Verdict = Result<Health, CheckFailure>;

impl EventStream {
    /// A check of the listener that tells this status.
    #[must_use]
    pub fn new(status: watch::Receiver<ListenerStatus>) -> Self {
        Self {
            status,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Verdict>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Check for EventStream {
    fn name(&self) -> &'static str {
        "event_stream"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let verdict = verdict(&self.status.borrow());
        *self.seen() = Some(verdict.clone());
        verdict
    }

    async fn changed(&self) {
        // Slots pass all the time; only what changes the verdict is worth a look.
        let is_new = |status: &ListenerStatus| self.seen().as_ref() != Some(&verdict(status));
        if self.status.clone().wait_for(is_new).await.is_err() {
            // A listener that has ended says nothing new.
            std::future::pending::<()>().await;
        }
    }
}

fn verdict(status: &ListenerStatus) -> Verdict {
    if let Some(trouble) = status.trouble() {
        return Err(CheckFailure::new(trouble));
    }
    if status.backpressure {
        return Ok(Health::Degraded(
            "the queue is slow; the listener waits for it".to_owned(),
        ));
    }
    Ok(Health::Good)
}

/// Nothing is in quarantine. What is there is no failure: the rest goes on, and somebody should look.
#[derive(Debug)]
pub struct QuarantineDepth(pub watch::Receiver<ListenerStatus>);

#[async_trait]
impl Check for QuarantineDepth {
    fn name(&self) -> &'static str {
        "quarantine"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        Ok(quarantined(&self.0.borrow()))
    }

    async fn changed(&self) {
        let before = self.0.borrow().quarantine.clone();
        let changed = |status: &ListenerStatus| status.quarantine != before;
        if self.0.clone().wait_for(changed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn quarantined(status: &ListenerStatus) -> Health {
    if let Some(error) = &status.quarantine_error {
        return Health::Degraded(format!("the quarantine cannot be looked at: {error}"));
    }
    let QuarantineSummary {
        items,
        by_reason,
        oldest_since,
        oldest,
    } = &status.quarantine;
    let (Some(since), Some(oldest)) = (oldest_since, oldest) else {
        return Health::Good;
    };
    let reasons: Vec<String> = by_reason
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let age = (OffsetDateTime::now_utc() - *since).whole_seconds().max(0);
    let reasons = reasons.join(", ");
    Health::Degraded(format!(
        "{items} in quarantine ({reasons}), the oldest for {age} s: {oldest}; see session-builder quarantine list"
    ))
}

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

    async fn check(&self) -> Result<Health, CheckFailure> {
        let deadline = Some(Instant::now() + PATIENCE);
        let balance = |address: Pubkey| {
            let ask = move |client: Arc<RpcClient>| async move { client.get_balance(&address).await };
            self.pool.call("getBalance", deadline, ask)
        };
        let balances = try_join_all(self.addresses.iter().copied().map(balance))
            .await
            .map_err(|error| CheckFailure::new(error.to_string()))?;
        let wallets: Vec<(Pubkey, u64)> = self.addresses.iter().copied().zip(balances).collect();
        self.record(&wallets);
        let reserve = self.reserve_lamports;
        let with_room = wallets.iter().any(|(_, lamports)| *lamports > reserve);
        let low: Vec<String> = wallets
            .iter()
            .filter(|(_, lamports)| *lamports < self.low_lamports)
            .map(|(address, lamports)| format!("wallet {address} has {lamports} lamports"))
            .collect();
        if !with_room {
            let reason = format!("{}; each keeps {reserve}, so nothing can be paid for", low.join(", "));
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
        // Where nobody scrapes metrics, alarms live on this line (infra/template.yaml), by its target.
        tracing::debug!(target: "session_listener::wallet", lamports = total, low, "wallet status");
    }
}
