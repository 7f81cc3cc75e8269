//! A recent blockhash, fetched ahead of time at `confirmed` by one task for everybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_chain::{ChainError, RpcClient, RpcPool};
use solana_sdk::hash::Hash;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::account::RECENT;

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
    max_age: Duration,
}

/// The fetching task's side.
pub(crate) struct BlockhashFetcher {
    fetched: watch::Sender<Fetched>,
    wanted: Arc<Notify>,
    max_age: Duration,
}

/// Both sides.
pub(crate) fn blockhashes(max_age: Duration) -> (Blockhashes, BlockhashFetcher) {
    let (sender, receiver) = watch::channel(None);
    let wanted = Arc::new(Notify::new());
    let consumers = Blockhashes {
        fetched: receiver,
        wanted: Arc::clone(&wanted),
        max_age,
    };
    (
        consumers,
        BlockhashFetcher {
            fetched: sender,
            wanted,
            max_age,
        },
    )
}

impl Blockhashes {
    /// A blockhash other than `not` that is young enough. One past its `max_age` is still given out while its
    /// successor is fetched.
    pub(crate) async fn recent(&self, not: Option<Hash>, deadline: Instant) -> Result<Blockhash, RecentError> {
        let mut fetched = self.fetched.clone();
        loop {
            let current = fetched.borrow_and_update().clone();
            if let Some(Ok(blockhash)) = &current {
                let age = blockhash.fetched_at.elapsed();
                if age > self.max_age {
                    self.wanted.notify_one();
                }
                if age <= 2 * self.max_age && not != Some(blockhash.hash) {
                    return Ok(*blockhash);
                }
            }
            self.wanted.notify_one();
            match tokio::time::timeout_at(deadline.into(), fetched.changed()).await {
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
        let ask = |client: Arc<RpcClient>| async move {
            client.get_latest_blockhash_with_commitment_and_context(RECENT).await
        };
        let response = pool
            .call("getLatestBlockhash", Some(fetched_at + self.max_age), ask)
            .await?;
        let (hash, last_valid_block_height) = response.value;
        Ok(Blockhash {
            hash,
            last_valid_block_height,
            slot: response.context.slot,
            fetched_at,
        })
    }
}
