//! Reading back: the accounts of all transactions that landed at about the same time in one call.

use std::time::Duration;

use session_chain::replies::{AccountState, read_accounts_surely};
use session_chain::{ChainError, Cluster, RpcPool};
use solana_pubkey::Pubkey;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::treasury::signer::SignerPool;

/// Readings that may wait for the next call.
const QUEUE_LENGTH: usize = 1_024;
/// One status poll decides several transactions; their readings come within this time.
const GATHERING: Duration = Duration::from_millis(3);
/// A reading that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The deliveries' side.
#[derive(Clone)]
pub(crate) struct ReadBack {
    queue: mpsc::Sender<Wanted>,
}

/// The reading task's side.
pub(crate) struct Reader {
    queue: mpsc::Receiver<Wanted>,
    cluster: Cluster,
    signers: SignerPool,
}

struct Wanted {
    addresses: Vec<Pubkey>,
    min_slot: u64,
    answer: oneshot::Sender<Vec<Option<AccountState>>>,
}

/// Both sides.
pub(crate) fn read_back(cluster: Cluster, signers: SignerPool) -> (ReadBack, Reader) {
    let (sender, queue) = mpsc::channel(QUEUE_LENGTH);
    (
        ReadBack { queue: sender },
        Reader {
            queue,
            cluster,
            signers,
        },
    )
}

impl ReadBack {
    /// The accounts at `addresses`, at `min_slot` or later. `None` where they could not be read this time.
    pub(crate) async fn accounts(&self, addresses: Vec<Pubkey>, min_slot: u64) -> Option<Vec<Option<AccountState>>> {
        let (answer, accounts) = oneshot::channel();
        let wanted = Wanted {
            addresses,
            min_slot,
            answer,
        };
        self.queue.send(wanted).await.ok()?;
        accounts.await.ok()
    }
}

impl Reader {
    /// Serves readings until `stop`.
    pub(crate) async fn run(mut self, pool: RpcPool, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                () = stop.cancelled() => return,
                wanted = self.queue.recv() => match wanted {
                    Some(wanted) => wanted,
                    None => return,
                },
            };
            tokio::time::sleep(GATHERING).await;
            let mut all = vec![first];
            while let Ok(wanted) = self.queue.try_recv() {
                all.push(wanted);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                read = self.read(&pool, all) => if let Err(error) = read {
                    tracing::warn!(%error, "accounts of landed transactions could not be read");
                },
            }
        }
    }

    async fn read(&self, pool: &RpcPool, all: Vec<Wanted>) -> Result<(), ChainError> {
        let mut addresses: Vec<Pubkey> = all.iter().flat_map(|wanted| wanted.addresses.clone()).collect();
        let min_slot = all.iter().map(|wanted| wanted.min_slot).max();
        // The wallets as they are after the landing, and the cluster's facts with them.
        let wallets = self.signers.addresses();
        addresses.extend(&wallets);
        addresses.extend(Cluster::FACTS);
        let deadline = Some(Instant::now() + PATIENCE);
        // What landed must be there, and nobody is taken for poor on one node's word.
        let absence_matters = |address: &Pubkey| !Cluster::FACTS.contains(address);
        let reading = read_accounts_surely(pool, &addresses, min_slot, deadline, absence_matters).await?;
        self.cluster.note(&addresses, &reading);
        let mut accounts = reading.accounts.into_iter();
        for wanted in all {
            let own = accounts.by_ref().take(wanted.addresses.len()).collect();
            // Nobody waits any more: as good as answered.
            let _ = wanted.answer.send(own);
        }
        for (payer, account) in self.signers.payers().iter().zip(accounts) {
            payer
                .wallet()
                .read(reading.slot, account.map_or(0, |account| account.lamports));
        }
        Ok(())
    }
}
