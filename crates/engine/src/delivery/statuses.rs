//! One status poll for every transaction in flight.

use std::collections::HashMap;
use std::time::Duration;

use session_chain::replies::{self, SignatureStatus, StatusReply};
use session_chain::{ChainError, Cluster, RpcPool, TransactionFailure};
use solana_sdk::signature::Signature;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::delivery::blockhash::RECENT;

/// `getSignatureStatuses` takes this many signatures.
const SIGNATURES_PER_CALL: usize = 256;
/// Transactions that may wait for their first poll.
const QUEUE_LENGTH: usize = 1_024;
/// Parts of a slot that all waits are counted in.
const PARTS: u32 = 16;
/// No cluster confirms sooner: half a slot passes on average before the next block, and then its votes.
const FIRST_POLL_PARTS: u32 = 12;
/// Shortest pause between two polls while anything is in flight.
const POLL_PARTS: u32 = 3;
/// A blockhash lives 150 blocks; a transaction this old is asked for its expiry as well.
const EXPIRY_CHECK_SLOTS: u32 = 25;
/// A transaction that the first endpoint does not know for so long is asked for everywhere.
const UNKNOWN_SLOTS: u32 = 3;
/// An endpoint that did not know what another one knew is not asked alone for so long.
const DISTRUST: Duration = Duration::from_mins(1);
/// Slots between two expiry checks, and the patience of one.
const EXPIRY_PAUSE_SLOTS: u32 = 5;
/// A poll is given up after this, however short the slots are: a node answers when it can.
const POLL_PATIENCE: Duration = Duration::from_secs(2);

/// What the chain says of a transaction for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// It succeeded.
    Landed { slot: u64 },
    /// It is in a block, and failed.
    Failed { slot: u64, error: TransactionFailure },
    /// It is in a block and did not run, for its payer could not pay: nothing was spent (SIMD-0290).
    NotExecuted { slot: u64 },
    /// It is in no block and can't come into one.
    Expired,
}

/// The senders' side.
#[derive(Clone)]
pub(crate) struct Statuses {
    queue: mpsc::Sender<Watch>,
}

/// The polling task's side.
pub(crate) struct StatusPoller {
    queue: mpsc::Receiver<Watch>,
    cluster: Cluster,
    watched: HashMap<Signature, Watched>,
    next_expiry_check: Instant,
    /// The first endpoint did not know what another one knew: until then all of them are asked at once.
    contradicted_until: Option<Instant>,
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

/// Both sides. Waits are counted in the slots of `cluster`.
pub(crate) fn statuses(cluster: Cluster) -> (Statuses, StatusPoller) {
    let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
    let poller = StatusPoller {
        queue: receiver,
        cluster,
        watched: HashMap::new(),
        next_expiry_check: Instant::now(),
        contradicted_until: None,
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
        let parts = |count: u32| self.cluster.slots(count) / PARTS;
        parts(FIRST_POLL_PARTS)
            .saturating_sub(oldest)
            .max(parts(POLL_PARTS))
            .max(youngest / 8)
    }

    async fn poll(&mut self, pool: &RpcPool) -> Result<(), ChainError> {
        let signatures: Vec<Signature> = self.watched.keys().copied().collect();
        let contradicted = self.contradicted_until.is_some_and(|until| until > Instant::now());
        for chunk in signatures.chunks(SIGNATURES_PER_CALL) {
            let (_, statuses) = if contradicted {
                ask_everywhere(pool, chunk).await?
            } else {
                ask(pool, chunk).await?
            };
            for (signature, status) in chunk.iter().zip(statuses) {
                match status {
                    StatusReply::Known(status) => {
                        if let Some(landing) = settled(status, pool) {
                            self.answer(signature, &landing);
                        }
                    }
                    StatusReply::Unreadable(status) => tracing::warn!(%signature, status, "a status cannot be read"),
                    StatusReply::Unknown => {}
                }
            }
        }
        if !contradicted {
            self.look_everywhere(pool).await?;
        }
        if self.next_expiry_check <= Instant::now() {
            self.next_expiry_check = Instant::now() + self.cluster.slots(EXPIRY_PAUSE_SLOTS);
            self.check_expiry(pool).await?;
        }
        Ok(())
    }

    /// What one endpoint does not know for longer than a landing takes another one may: none of them is believed alone.
    async fn look_everywhere(&mut self, pool: &RpcPool) -> Result<(), ChainError> {
        let long = self.cluster.slots(UNKNOWN_SLOTS);
        let unknown = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.since.elapsed() >= long);
        let unknown: Vec<Signature> = unknown.map(|(signature, _)| *signature).collect();
        if pool.is_one_endpoint() {
            return Ok(());
        }
        for chunk in unknown.chunks(SIGNATURES_PER_CALL) {
            let (_, statuses) = ask_everywhere(pool, chunk).await?;
            for (signature, status) in chunk.iter().zip(statuses) {
                if let StatusReply::Known(status) = status
                    && let Some(landing) = settled(status, pool)
                {
                    self.contradicted_until = Some(Instant::now() + DISTRUST);
                    self.answer(signature, &landing);
                }
            }
        }
        Ok(())
    }

    /// A transaction has expired if no endpoint knows it, and each that answers has seen the block height pass
    /// its last valid one.
    async fn check_expiry(&mut self, pool: &RpcPool) -> Result<(), ChainError> {
        let old_enough = self.cluster.slots(EXPIRY_CHECK_SLOTS);
        let old = |watched: &(&Signature, &Watched)| watched.1.since.elapsed() >= old_enough;
        let signatures: Vec<Signature> = self
            .watched
            .iter()
            .filter(old)
            .map(|(signature, _)| *signature)
            .collect();
        if signatures.is_empty() {
            return Ok(());
        }
        let now = replies::progress(pool, RECENT, Some(Instant::now() + POLL_PATIENCE)).await?;
        for chunk in signatures.chunks(SIGNATURES_PER_CALL) {
            let (slot, statuses) = ask_everywhere(pool, chunk).await?;
            if slot < now.absolute_slot {
                continue;
            }
            for (signature, status) in chunk.iter().zip(statuses) {
                let watch = self.watched.get(signature);
                let is_past = watch.is_some_and(|watch| now.block_height > watch.last_valid_block_height);
                if is_past && status == StatusReply::Unknown {
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
async fn ask(pool: &RpcPool, signatures: &[Signature]) -> Result<(u64, Vec<StatusReply>), ChainError> {
    replies::signature_statuses(pool, signatures, Some(Instant::now() + POLL_PATIENCE)).await
}

/// The same from every endpoint.
async fn ask_everywhere(pool: &RpcPool, signatures: &[Signature]) -> Result<(u64, Vec<StatusReply>), ChainError> {
    replies::signature_statuses_everywhere(pool, signatures, Some(Instant::now() + POLL_PATIENCE)).await
}

/// The status as an answer, once it has the pool's commitment: a fork may still undo it before.
fn settled(status: SignatureStatus, pool: &RpcPool) -> Option<Landing> {
    let SignatureStatus { slot, level, result } = status;
    level.satisfies(pool.commitment()).then(|| match result {
        Ok(()) => Landing::Landed { slot },
        Err(None) => Landing::NotExecuted { slot },
        Err(Some(failure)) if failure.is_without_execution() => Landing::NotExecuted { slot },
        Err(Some(error)) => Landing::Failed { slot, error },
    })
}
