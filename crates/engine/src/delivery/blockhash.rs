//! A recent blockhash, fetched ahead of time at `confirmed` by one task for everybody.

use std::sync::Arc;
use std::time::Duration;

use session_chain::{ChainError, Cluster, CommitmentConfig, RpcPool, replies};
use solana_sdk::hash::Hash;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// The commitment of what only needs to be recent: `finalized` burns a good part of a blockhash's life.
pub(crate) const RECENT: CommitmentConfig = CommitmentConfig::confirmed();

/// Slots after which a blockhash is replaced in the background: a sixth of the 150 blocks that it lives. One twice as old
/// is not used.
const MAX_AGE_SLOTS: u32 = 25;

/// A blockhash and how long it lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blockhash {
    pub(crate) hash: Hash,
    /// A transaction with this blockhash cannot land in a block above this height.
    pub(crate) last_valid_block_height: u64,
    /// A node that has reached this slot knows the blockhash.
    pub(crate) slot: u64,
    fetched_at: Instant,
}

/// Between two fetches.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// What the fetching task last got.
type Fetched = Option<Result<Blockhash, Arc<ChainError>>>;

/// The consumers' side.
pub(crate) struct Blockhashes {
    fetched: watch::Receiver<Fetched>,
    wanted: Arc<Notify>,
    cluster: Cluster,
}

/// The fetching task's side.
pub(crate) struct BlockhashFetcher {
    fetched: watch::Sender<Fetched>,
    wanted: Arc<Notify>,
    cluster: Cluster,
}

/// Both sides.
pub(crate) fn blockhashes(cluster: Cluster) -> (Blockhashes, BlockhashFetcher) {
    let (sender, receiver) = watch::channel(None);
    let wanted = Arc::new(Notify::new());
    let consumers = Blockhashes {
        fetched: receiver,
        wanted: Arc::clone(&wanted),
        cluster: cluster.clone(),
    };
    (
        consumers,
        BlockhashFetcher {
            fetched: sender,
            wanted,
            cluster,
        },
    )
}

impl Blockhashes {
    /// A usable blockhash that is young enough. One past its age is still given out while its successor is fetched.
    pub(crate) async fn recent(&self, unusable: Unusable, deadline: Instant) -> Result<Blockhash, RecentError> {
        let mut fetched = self.fetched.clone();
        loop {
            let current = fetched.borrow_and_update().clone();
            if let Some(Ok(blockhash)) = &current {
                let (age, max_age) = (blockhash.fetched_at.elapsed(), self.cluster.slots(MAX_AGE_SLOTS));
                if age > max_age {
                    self.wanted.notify_one();
                }
                if age <= 2 * max_age && !unusable.is(blockhash) {
                    return Ok(*blockhash);
                }
            }
            self.wanted.notify_one();
            match tokio::time::timeout_at(deadline, fetched.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(RecentError::Stopped),
                Err(_) => return Err(RecentError::DeadlineReached),
            }
            if let Some(Err(error)) = &*fetched.borrow() {
                return Err(RecentError::Chain(Arc::clone(error)));
            }
        }
    }
}

/// What must not be used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unusable {
    /// This blockhash.
    pub(crate) hash: Option<Hash>,
    /// Every blockhash up to this slot.
    pub(crate) up_to_slot: Option<u64>,
}

impl Unusable {
    fn is(&self, blockhash: &Blockhash) -> bool {
        self.hash == Some(blockhash.hash) || self.up_to_slot.is_some_and(|slot| blockhash.slot <= slot)
    }
}

/// Why there is no blockhash.
#[derive(Debug)]
pub(crate) enum RecentError {
    Chain(Arc<ChainError>),
    DeadlineReached,
    Stopped,
}

impl BlockhashFetcher {
    /// Fetches whenever somebody wants a fresher one, until `stop`. Idle, it makes no call.
    pub(crate) async fn run(self, pool: RpcPool, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wanted.notified() => {}
            }
            let fetched = tokio::select! {
                () = stop.cancelled() => return,
                fetched = self.fetch(&pool) => fetched,
            };
            self.fetched.send_replace(Some(fetched.map_err(Arc::new)));
            // A chain that makes no blocks gives the same blockhash again; whoever wants another asks in vain.
            tokio::time::sleep(LEAST_PAUSE).await;
        }
    }

    async fn fetch(&self, pool: &RpcPool) -> Result<Blockhash, ChainError> {
        // Measured from before the call, so that the age is never too low.
        let fetched_at = Instant::now();
        let deadline = fetched_at + self.cluster.slots(MAX_AGE_SLOTS);
        let latest = replies::latest_blockhash(pool, RECENT, Some(deadline)).await?;
        Ok(Blockhash {
            hash: latest.hash,
            last_valid_block_height: latest.last_valid_block_height,
            slot: latest.slot,
            fetched_at,
        })
    }
}
