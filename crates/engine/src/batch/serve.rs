//! Serving one batch: every delivery is followed on its own, and what is thrown back is planned again meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use session_chain::replies::read_accounts_surely;
use session_chain::{ChainError, Cluster, RpcPool};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use tokio::time::Instant;

use crate::batch::error::CreationError;
use crate::batch::launch::Own;
use crate::batch::open::{OpenRequests, Stage};
use crate::config::EngineConfig;
use crate::delivery::courier::Courier;
use crate::delivery::registry::{Ending, Running};
use crate::flights::Answer;
use crate::request::claim::CreationRequest;
use crate::transaction::formats::Formats;
use crate::transaction::units::Units;

/// Pause before what came to nothing is looked at again; doubled every time nothing lands.
const FRUITLESS_PAUSE: Duration = Duration::from_millis(50);
/// Slots that the pause grows to at most.
const FRUITLESS_SLOTS_MAX: u32 = 2;

/// What batches are served with.
pub(crate) struct Means {
    pub(crate) config: Arc<EngineConfig>,
    pub(crate) pool: RpcPool,
    pub(crate) cluster: Cluster,
    pub(crate) formats: Formats,
    pub(crate) units: Units,
    pub(crate) courier: Courier,
}

/// The requests of one call.
pub(crate) struct Batch<'m> {
    pub(super) means: &'m Means,
    pub(super) deadline: Instant,
    pub(super) open: OpenRequests,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// A node must have reached this slot to be asked.
    pub(super) min_slot: Option<u64>,
    pub(super) max_creations: usize,
    /// How often the compute units of a creation had to be doubled.
    pub(super) raises: u32,
    /// Not to be used again: no node knows it, or a transaction with it is in a block already, and the same
    /// creations with the same blockhash would be that same transaction.
    pub(super) stale_blockhash: Option<Hash>,
    pause: Duration,
}

/// A delivery that has ended.
pub(super) struct Ended {
    pub(super) running: Running,
    /// What it carried, where this batch ordered it.
    pub(super) own: Option<Own>,
    pub(super) ending: Option<Arc<Ending>>,
}

impl<'m> Batch<'m> {
    /// A batch of requests with distinct PDAs.
    pub(crate) fn new(means: &'m Means, requests: Vec<CreationRequest>, deadline: Instant) -> Self {
        Self {
            means,
            deadline,
            open: OpenRequests::new(requests),
            under_way: FuturesUnordered::new(),
            min_slot: None,
            max_creations: usize::MAX,
            raises: 0,
            stale_blockhash: None,
            pause: FRUITLESS_PAUSE,
        }
    }

    /// Hands over every request with its answer, as soon as there is one.
    pub(crate) async fn run(mut self, mut answered: impl FnMut(CreationRequest, Answer)) {
        let mut hand_over = |open: &mut OpenRequests| {
            for (request, answer) in open.take_answers() {
                answered(request, answer);
            }
        };
        loop {
            self.join();
            if let Err(error) = self.read().await {
                self.give_up(error);
            }
            self.launch().await;
            hand_over(&mut self.open);
            if self.open.is_empty() || Instant::now() >= self.deadline {
                break;
            }
            let anything_landed = if self.under_way.is_empty() {
                false
            } else {
                self.await_endings().await
            };
            hand_over(&mut self.open);
            self.catch_breath(anything_landed).await;
        }
        self.open.close();
        hand_over(&mut self.open);
    }

    /// Waits with what is under way already for open addresses.
    fn join(&mut self) {
        let registry = &self.means.courier.registry;
        for running in self.open.join(|pda| registry.of(pda)) {
            self.follow(running, None);
        }
    }

    pub(super) fn follow(&mut self, running: Running, own: Option<Own>) {
        let ended = async move {
            let ending = running.clone().ending().await;
            Ended { running, own, ending }
        };
        self.under_way.push(ended.boxed());
    }

    /// Reads every address that nothing is known of, and the wallets with them. Answers what exists.
    async fn read(&mut self) -> Result<(), ChainError> {
        let mut addresses = self.open.to_read();
        if addresses.is_empty() {
            return Ok(());
        }
        let means = self.means;
        let pdas = addresses.len();
        let signers = &means.courier.treasury.signers;
        let wallets = signers.addresses();
        addresses.extend(&wallets);
        // The price of storage at the same slot: nobody is refused or charged by an older one.
        addresses.extend(Cluster::FACTS);
        let said_to_exist = self.open.said_to_exist();
        let absence_matters = |address: &Pubkey| wallets.contains(address) || said_to_exist.contains(address);
        let (min_slot, deadline) = (self.min_slot, Some(self.deadline));
        let reading = read_accounts_surely(&means.pool, &addresses, min_slot, deadline, absence_matters).await?;
        means.cluster.note(&addresses, &reading);
        let (accounts, others) = reading.accounts.split_at(pdas);
        for (payer, account) in signers.payers().iter().zip(others) {
            payer
                .wallet()
                .read(reading.slot, account.as_ref().map_or(0, |account| account.lamports));
        }
        let rent = means.cluster.rent();
        for (pda, account) in addresses.into_iter().zip(accounts) {
            self.open.judge(&pda, account.as_ref(), None, rent);
        }
        Ok(())
    }

    /// The chain can't be read: whoever waits for a reading has that as the answer.
    fn give_up(&mut self, error: ChainError) {
        let (error, rest) = (Arc::new(error), self.means.pool.rests_for());
        tracing::warn!(%error, "the chain cannot be read");
        for pda in self.open.to_read() {
            self.open.answer(&pda, Err(CreationError::of_chain(&error, rest)));
        }
    }

    /// Waits for the next delivery that ends, and takes all that have ended by then. Says whether any landed.
    async fn await_endings(&mut self) -> bool {
        let next = tokio::time::timeout_at(self.deadline, self.under_way.next()).await;
        let Ok(Some(first)) = next else { return false };
        let mut ended = vec![first];
        while let Some(Some(another)) = self.under_way.next().now_or_never() {
            ended.push(another);
        }
        let mut any_landed = false;
        for ended in ended {
            any_landed |= self.take(ended).await;
        }
        any_landed
    }

    /// What came to nothing is looked at again a little later, and every time later.
    async fn catch_breath(&mut self, anything_landed: bool) {
        if anything_landed {
            self.pause = FRUITLESS_PAUSE;
            return;
        }
        if self.open.works().all(|(_, work)| matches!(work.stage, Stage::Under(_))) {
            return;
        }
        tokio::time::sleep_until((Instant::now() + self.pause).min(self.deadline)).await;
        let longest = self.means.cluster.slots(FRUITLESS_SLOTS_MAX).max(FRUITLESS_PAUSE);
        self.pause = (self.pause * 2).min(longest);
    }
}
