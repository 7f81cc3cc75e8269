//! One status poll for every transaction in flight.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_chain::{ChainError, RpcClient, RpcPool};
use solana_sdk::signature::Signature;
use solana_sdk::transaction::TransactionError;
use solana_transaction_status_client_types::TransactionStatus;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::account::RECENT;

/// `getSignatureStatuses` takes this many signatures.
const SIGNATURES_PER_CALL: usize = 256;
/// Transactions that may wait for their first poll.
const QUEUE_LENGTH: usize = 1_024;
/// No cluster confirms sooner: half a slot of 400 ms passes on average before the next block, and then its votes.
const FIRST_POLL_AGE: Duration = Duration::from_millis(300);
/// A blockhash lives 150 blocks, about a minute; a transaction this old is asked for its expiry as well.
const EXPIRY_CHECK_AGE: Duration = Duration::from_secs(10);
/// Pause between two expiry checks.
const EXPIRY_CHECK_PAUSE: Duration = Duration::from_secs(2);

/// What the chain says of a transaction for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// It succeeded.
    Landed { slot: u64 },
    /// It is in a block, and failed.
    Failed { slot: u64, error: TransactionError },
    /// It is in no block and can't come into one.
    Expired,
}

/// The senders' side.
pub(crate) struct Statuses {
    queue: mpsc::Sender<Watch>,
}

/// The polling task's side.
pub(crate) struct StatusPoller {
    queue: mpsc::Receiver<Watch>,
    interval: Duration,
    watched: HashMap<Signature, Watched>,
    next_expiry_check: Instant,
}

/// A transaction that somebody waits for.
struct Watch {
    signature: Signature,
    last_valid_block_height: u64,
    answer: oneshot::Sender<Landing>,
}

/// A transaction in flight, and all who wait for it.
struct Watched {
    last_valid_block_height: u64,
    since: Instant,
    answers: Vec<oneshot::Sender<Landing>>,
}

/// Both sides. `interval` is the shortest pause between two polls.
pub(crate) fn statuses(interval: Duration) -> (Statuses, StatusPoller) {
    let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
    let poller = StatusPoller {
        queue: receiver,
        interval,
        watched: HashMap::new(),
        next_expiry_check: Instant::now(),
    };
    (Statuses { queue: sender }, poller)
}

impl Statuses {
    /// Where the answer will come. It doesn't come if the engine stops first.
    pub(crate) async fn watch(&self, signature: Signature, last_valid_block_height: u64) -> oneshot::Receiver<Landing> {
        let (answer, receiver) = oneshot::channel();
        let watch = Watch {
            signature,
            last_valid_block_height,
            answer,
        };
        // A closed queue drops the watch, which the receiver sees.
        let _ = self.queue.send(watch).await;
        receiver
    }
}

impl StatusPoller {
    /// Polls while there is anything to poll for, until `stop`.
    pub(crate) async fn run(mut self, pool: RpcPool, stop: CancellationToken) {
        loop {
            if self.watched.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    watch = self.queue.recv() => match watch {
                        Some(watch) => self.add(watch),
                        None => return,
                    },
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.pause()) => {}
            }
            while let Ok(watch) = self.queue.try_recv() {
                self.add(watch);
            }
            self.watched
                .retain(|_, watched| watched.answers.iter().any(|answer| !answer.is_closed()));
            if self.watched.is_empty() {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                polled = self.poll(&pool) => if let Err(error) = polled {
                    tracing::debug!(%error, in_flight = self.watched.len(), "status poll failed; the next one comes");
                },
            }
        }
    }

    fn add(&mut self, watch: Watch) {
        let watched = self.watched.entry(watch.signature).or_insert_with(|| Watched {
            last_valid_block_height: watch.last_valid_block_height,
            since: Instant::now(),
            answers: Vec::new(),
        });
        watched.answers.push(watch.answer);
    }

    /// Until the next poll: none before anything can have landed, and fewer the longer everything takes.
    fn pause(&self) -> Duration {
        let age = |watched: &Watched| watched.since.elapsed();
        let oldest = self.watched.values().map(age).max().unwrap_or_default();
        let youngest = self.watched.values().map(age).min().unwrap_or_default();
        FIRST_POLL_AGE
            .saturating_sub(oldest)
            .max(self.interval)
            .max(youngest / 8)
    }

    async fn poll(&mut self, pool: &RpcPool) -> Result<(), ChainError> {
        let signatures: Vec<Signature> = self.watched.keys().copied().collect();
        for chunk in signatures.chunks(SIGNATURES_PER_CALL) {
            let (_, statuses) = ask(pool, chunk).await?;
            for (signature, status) in chunk.iter().zip(statuses) {
                if let Some(landing) = status.and_then(|status| settled(&status, pool)) {
                    self.answer(signature, &landing);
                }
            }
        }
        if self.next_expiry_check <= Instant::now() {
            self.next_expiry_check = Instant::now() + EXPIRY_CHECK_PAUSE;
            self.check_expiry(pool).await?;
        }
        Ok(())
    }

    /// A transaction has expired if a node that has seen the block height pass its last valid one does not know it.
    async fn check_expiry(&mut self, pool: &RpcPool) -> Result<(), ChainError> {
        let old = |watched: &(&Signature, &Watched)| watched.1.since.elapsed() >= EXPIRY_CHECK_AGE;
        let signatures: Vec<Signature> = self
            .watched
            .iter()
            .filter(old)
            .map(|(signature, _)| *signature)
            .collect();
        if signatures.is_empty() {
            return Ok(());
        }
        let ask_height = |client: Arc<RpcClient>| async move { client.get_epoch_info_with_commitment(RECENT).await };
        let now = pool
            .call("getEpochInfo", Some(Instant::now() + EXPIRY_CHECK_PAUSE), ask_height)
            .await?;
        for chunk in signatures.chunks(SIGNATURES_PER_CALL) {
            let (slot, statuses) = ask(pool, chunk).await?;
            if slot < now.absolute_slot {
                continue;
            }
            for (signature, status) in chunk.iter().zip(statuses) {
                let watch = self.watched.get(signature);
                let is_past = watch.is_some_and(|watch| now.block_height > watch.last_valid_block_height);
                if is_past && status.is_none() {
                    self.answer(signature, &Landing::Expired);
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, signature: &Signature, landing: &Landing) {
        for answer in self
            .watched
            .remove(signature)
            .into_iter()
            .flat_map(|watched| watched.answers)
        {
            // Nobody listening any more is as good as answered.
            let _ = answer.send(landing.clone());
        }
    }
}

/// The slot of the answer, and a status for each signature.
async fn ask(pool: &RpcPool, signatures: &[Signature]) -> Result<(u64, Vec<Option<TransactionStatus>>), ChainError> {
    let ask = |client: Arc<RpcClient>| async move { client.get_signature_statuses(signatures).await };
    let response = pool
        .call("getSignatureStatuses", Some(Instant::now() + EXPIRY_CHECK_PAUSE), ask)
        .await?;
    Ok((response.context.slot, response.value))
}

/// The status as an answer, once it has the pool's commitment: a fork may still undo it before.
fn settled(status: &TransactionStatus, pool: &RpcPool) -> Option<Landing> {
    if !status.satisfies_commitment(pool.commitment()) {
        return None;
    }
    Some(match &status.err {
        None => Landing::Landed { slot: status.slot },
        Some(error) => Landing::Failed {
            slot: status.slot,
            error: error.clone(),
        },
    })
}
