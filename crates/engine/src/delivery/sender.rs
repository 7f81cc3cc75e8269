//! A signed transaction's way to the nodes: the first time with a simulation before it, then to everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::counter;
use session_chain::{ChainError, RpcClient, RpcPool, TransactionFailure, proves_not_sent};
use session_telemetry::names;
use solana_client::rpc_config::RpcSendTransactionConfig;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::TransactionError;
use solana_transaction::versioned::VersionedTransaction;
use tokio::time::Instant;

use crate::delivery::blockhash::{Blockhash, RECENT};
use crate::delivery::life::{Event, Refusal};

/// JSON-RPC 2.0's "invalid params": the answer of a node that can't decode a version-1 transaction.
const INVALID_PARAMS: i64 = -32_602;

/// A signed transaction. Its signature is known before anything is sent.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) transaction: VersionedTransaction,
    pub(crate) signature: Signature,
    pub(crate) last_valid_block_height: u64,
    min_slot: u64,
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

/// Sends for the first time, to two endpoints at once: a silent one costs no slot. Where some try got no answer, a later try's refusal proves nothing: it may be out.
pub(crate) async fn send_first(pool: &RpcPool, signed: &Signed, deadline: Instant) -> Event {
    counter!(names::TRANSACTIONS_SENT_TOTAL).increment(1);
    let config = RpcSendTransactionConfig {
        skip_preflight: false,
        preflight_commitment: Some(RECENT.commitment),
        max_retries: Some(0),
        // A node that lags behind the blockhash says so, rather than that it knows no such blockhash.
        min_context_slot: Some(signed.min_slot),
        ..RpcSendTransactionConfig::default()
    };
    // Tries that may have reached a node. One that is cut off stays counted.
    let unproven = AtomicUsize::new(0);
    let unproven = &unproven;
    let send = |client: Arc<RpcClient>| async move {
        unproven.fetch_add(1, Ordering::Relaxed);
        let sent = client.send_transaction_with_config(&signed.transaction, config).await;
        if sent.as_ref().err().is_some_and(proves_not_sent) {
            unproven.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    };
    let refusal = match pool.call_two("sendTransaction", Some(deadline), send).await {
        Ok(_) => return Event::Taken,
        Err(_) if unproven.load(Ordering::Relaxed) > 0 => return Event::Taken,
        Err(refusal) => refusal,
    };
    match refusal {
        ChainError::PreflightFailed { failure, .. } => match failure {
            TransactionFailure::Known(TransactionError::AlreadyProcessed) => Event::Taken,
            TransactionFailure::Known(TransactionError::UnsupportedVersion) => Event::Refused(Refusal::Format),
            failure => Event::Refused(Refusal::Simulation(failure)),
        },
        ChainError::Rpc {
            code: INVALID_PARAMS, ..
        } => Event::Refused(Refusal::Format),
        error => Event::Refused(Refusal::NotSent(Arc::new(error))),
    }
}

/// To every endpoint, without simulation: it passed one, and nodes drop transactions silently.
pub(crate) async fn broadcast(pool: &RpcPool, signed: &Signed, deadline: Instant) {
    let config = RpcSendTransactionConfig {
        skip_preflight: true,
        max_retries: Some(0),
        ..RpcSendTransactionConfig::default()
    };
    let send =
        |client: Arc<RpcClient>| async move { client.send_transaction_with_config(&signed.transaction, config).await };
    for sent in pool.on_each("sendTransaction", Some(deadline), send).await {
        if let Err(error) = sent {
            tracing::debug!(signature = %signed.signature, %error, "an endpoint did not take the broadcast");
        }
    }
}
