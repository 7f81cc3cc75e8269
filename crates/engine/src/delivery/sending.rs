//! One transaction's way into a block: sign first, remember, send, broadcast again until its fate is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use metrics::counter;
use session_chain::{ChainError, Cluster, RpcClient, RpcPool, TransactionFailure, proves_not_sent};
use solana_client::rpc_config::RpcSendTransactionConfig;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::TransactionError;
use solana_transaction::versioned::VersionedTransaction;

use crate::delivery::blockhash::{Blockhash, RECENT};
use crate::delivery::statuses::{Landing, Statuses};

/// JSON-RPC 2.0's "invalid params": the answer of a node that can't decode a version-1 transaction.
const INVALID_PARAMS: i64 = -32_602;

/// Slots between two broadcasts, where they are shorter than the configured pause.
const REBROADCAST_SLOTS: u32 = 5;

/// A signed transaction. Its signature is known before anything is sent (pitfall 22).
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) transaction: VersionedTransaction,
    pub(crate) signature: Signature,
    last_valid_block_height: u64,
    min_slot: u64,
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The chain has decided.
    Decided(Landing),
    /// The simulation refused it, and no node has it.
    Refused(TransactionFailure),
    /// The node can't read its format, and no node has it.
    FormatRefused,
    /// It could not be sent, and no node has it.
    NotSent(ChainError),
    /// The deadline came first. It may still land.
    Unknown,
}

impl Signed {
    pub(crate) fn new(transaction: VersionedTransaction, blockhash: Blockhash) -> Option<Self> {
        let signature = *transaction.signatures.first()?;
        let Blockhash {
            last_valid_block_height,
            slot,
            ..
        } = blockhash;
        Some(Self {
            transaction,
            signature,
            last_valid_block_height,
            min_slot: slot,
        })
    }

    pub(crate) fn blockhash(&self) -> Hash {
        *self.transaction.message.recent_blockhash()
    }
}

/// Sends transactions and follows them.
pub(crate) struct Sender {
    pub(crate) pool: RpcPool,
    pub(crate) statuses: Statuses,
    pub(crate) cluster: Cluster,
    pub(crate) rebroadcast_interval: Duration,
}

impl Sender {
    /// Sends for the first time, with the node's simulation before it, and follows.
    pub(crate) async fn send(&self, signed: &Signed, deadline: Instant) -> Fate {
        counter!("transactions_sent_total").increment(1);
        let maybe_out = AtomicBool::new(false);
        let refusal = match self.first_send(signed, &maybe_out, deadline).await {
            Ok(()) => return self.follow(signed, deadline).await,
            Err(refusal) => refusal,
        };
        // Where some try got no answer, a later try's refusal proves nothing.
        if maybe_out.into_inner() {
            return self.follow(signed, deadline).await;
        }
        match refusal {
            ChainError::PreflightFailed { failure, .. } => match failure {
                TransactionFailure::Known(TransactionError::AlreadyProcessed) => self.follow(signed, deadline).await,
                TransactionFailure::Known(TransactionError::UnsupportedVersion) => Fate::FormatRefused,
                failure => Fate::Refused(failure),
            },
            ChainError::Rpc {
                code: INVALID_PARAMS, ..
            } => Fate::FormatRefused,
            error => Fate::NotSent(error),
        }
    }

    /// Follows a transaction that was sent before: broadcasts it until the chain has decided.
    pub(crate) async fn resume(&self, signed: &Signed, deadline: Instant) -> Fate {
        self.broadcast(signed, deadline).await;
        self.follow(signed, deadline).await
    }

    async fn first_send(&self, signed: &Signed, maybe_out: &AtomicBool, deadline: Instant) -> Result<(), ChainError> {
        let config = RpcSendTransactionConfig {
            skip_preflight: false,
            preflight_commitment: Some(RECENT.commitment),
            max_retries: Some(0),
            // A node that lags behind the blockhash says so, rather than that it knows no such blockhash.
            min_context_slot: Some(signed.min_slot),
            ..RpcSendTransactionConfig::default()
        };
        let send = |client: Arc<RpcClient>| async move {
            // Set before, so that it stays set if this try is cut off.
            let was_out = maybe_out.swap(true, Ordering::Relaxed);
            let sent = client.send_transaction_with_config(&signed.transaction, config).await;
            if !was_out && sent.as_ref().err().is_some_and(proves_not_sent) {
                maybe_out.store(false, Ordering::Relaxed);
            }
            sent
        };
        self.pool
            .call("sendTransaction", Some(deadline), send)
            .await
            .map(|_| ())
    }

    async fn follow(&self, signed: &Signed, deadline: Instant) -> Fate {
        let mut decided = self
            .statuses
            .watch(signed.signature, signed.last_valid_block_height)
            .await;
        let pause = self.rebroadcast_interval.min(self.cluster.slots(REBROADCAST_SLOTS));
        loop {
            tokio::select! {
                biased;
                landing = &mut decided => return landing.map_or(Fate::Unknown, Fate::Decided),
                () = tokio::time::sleep_until(deadline.into()) => return Fate::Unknown,
                () = tokio::time::sleep(pause) => {}
            }
            self.broadcast(signed, deadline).await;
        }
    }

    /// To every endpoint, without simulation: it passed one, and nodes drop transactions silently (pitfall 24).
    async fn broadcast(&self, signed: &Signed, deadline: Instant) {
        let config = RpcSendTransactionConfig {
            skip_preflight: true,
            max_retries: Some(0),
            ..RpcSendTransactionConfig::default()
        };
        let send = |client: Arc<RpcClient>| async move {
            client.send_transaction_with_config(&signed.transaction, config).await
        };
        for sent in self.pool.on_each("sendTransaction", Some(deadline), send).await {
            if let Err(error) = sent {
                tracing::debug!(signature = %signed.signature, %error, "an endpoint did not take the broadcast");
            }
        }
    }
}
