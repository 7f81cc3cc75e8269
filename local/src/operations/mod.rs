//! What a running service does for whoever operates it: the API's operations on this process's queues, chain and
//! wallets. It owns nothing of them and changes nothing but dead letters and the quarantine.

mod desk;
mod story;
mod ward;

use std::sync::{Arc, atomic::Ordering};

use async_trait::async_trait;
use serde_json::Value;
use session_admin::{
    HealthRegistry, Letter, LetterFilter, Moved, OperationError, Operations, QuarantineFilter, Quarantined,
    ServiceStatus, Stats, WalletBrief, health_page,
};
use session_chain::RpcPool;
use session_engine::Engine;
use session_listener::ListenerStatus;
use session_queue::{Depth, Queue};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::history::Historian;

pub use desk::{Desk, stored_letters};
pub use story::story;
pub use ward::Ward;

/// The operations of a pipeline.
pub(crate) struct ServiceOperations {
    pub(crate) desk: Desk,
    /// Where sessions' histories are kept, if they are.
    pub(crate) historian: Option<Historian>,
    pub(crate) ward: Ward,
    pub(crate) pool: RpcPool,
    pub(crate) engine: Arc<Engine>,
    pub(crate) health: HealthRegistry,
    pub(crate) stats: Arc<Stats>,
    pub(crate) listener: watch::Receiver<ListenerStatus>,
    /// The chain's address, without secrets.
    pub(crate) chain: String,
    pub(crate) program_id: Pubkey,
}

#[async_trait]
impl Operations for ServiceOperations {
    async fn status(&self) -> ServiceStatus {
        let queues = self.desk.queues();
        let (waiting, letters) = (
            depth(queues.source.as_ref()).await,
            depth(queues.dead_letters.as_ref()).await,
        );
        let listener = self.listener.borrow().clone();
        let policy = self.engine.policy();
        let wallets = self.engine.wallets().into_iter().map(|wallet| WalletBrief {
            address: wallet.address.to_string(),
            lamports: wallet.lamports,
            is_low: wallet.is_low,
            reserve_lamports: policy.wallet_reserve_lamports,
        });
        ServiceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_secs: self.stats.uptime().as_secs(),
            chain: self.chain.clone(),
            program_id: self.program_id.to_string(),
            health: health_page(&self.health.report(), session_clock::now_utc()),
            stats: self.stats.page(),
            queue_waiting: waiting.map(|depth| depth.visible + depth.delayed),
            queue_in_flight: waiting.map(|depth| depth.in_flight),
            dead_letters: letters.map(|depth| depth.total()),
            watermark_slot: listener.watermark_slot,
            last_slot: listener.last_slot,
            connected: listener.connected,
            wallets: wallets.collect(),
        }
    }

    async fn dead_letters(&self, filter: &LetterFilter) -> Result<Vec<Letter>, OperationError> {
        self.desk.list(filter).await
    }

    async fn redrive(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError> {
        let moved = self.desk.redrive(filter, dry_run).await?;
        if !dry_run {
            tracing::warn!(
                done = moved.done,
                refused = moved.refused.len(),
                "dead letters redriven by an operator"
            );
        }
        Ok(moved)
    }

    async fn purge(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError> {
        let moved = self.desk.purge(filter, dry_run).await?;
        if !dry_run {
            self.stats
                .letters_purged
                .fetch_add(moved.done as u64, Ordering::Relaxed);
            tracing::warn!(done = moved.done, "dead letters purged by an operator");
        }
        Ok(moved)
    }

    async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        self.ward.list(filter).await
    }

    async fn quarantine_retry(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        self.ward.retry(filter).await
    }

    async fn quarantine_release(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        self.ward.release(filter).await
    }

    async fn inspect(&self, what: &str) -> Result<Value, OperationError> {
        let told = match &self.historian {
            Some(historian) => Some(historian.told().await),
            None => None,
        };
        let letters = self.desk.list(&LetterFilter::default()).await?;
        story(letters, told, &self.pool, what).await
    }
}

async fn depth(queue: &dyn Queue) -> Option<Depth> {
    queue.depth().await.ok()
}
