//! `service.max_concurrent_creations`: so many creation transactions are under way at once, and never one more.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use create_accounts::engine_config;
use futures::future::join_all;
use session_chain::{CommitmentConfig, RetryPolicy, RpcPool};
use session_config::Settings;
use session_engine::{Engine, SignerPool};
use session_ledger::{AddressRecord, Books, Hold, HoldId, InMemoryLedger, LedgerError, Step, StepAnswer, Summary};
use session_tests::{
    chain::TestChain,
    creation::{LIMIT, assert_all_created, requests},
    fault_proxy::{Fault, FaultProxy, Gate},
};
use solana_pubkey::Pubkey;
use tokio::time::Instant;

/// Sessions that are wanted at once, each by a caller of its own and so each by a transaction of its own.
const WANTED: usize = 25;

/// Books that count the transactions between their signing, before which nothing is sent, and their fate.
#[derive(Default)]
struct CountingBooks {
    books: InMemoryLedger,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl CountingBooks {
    fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Books for CountingBooks {
    async fn take(&self, step: Step, now: SystemTime) -> Result<StepAnswer, LedgerError> {
        match step {
            Step::Attach(..) => {
                let before = self.under_way.fetch_add(1, Ordering::SeqCst);
                self.most.fetch_max(before + 1, Ordering::SeqCst);
            }
            Step::Settle(..) => drop(self.under_way.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
        self.books.take(step, now).await
    }

    async fn open_holds(&self) -> Result<Vec<Hold>, LedgerError> {
        self.books.open_holds().await
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        Books::open_hold(&self.books, id).await
    }

    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError> {
        Books::addresses(&self.books, pdas).await
    }

    async fn sums(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        self.books.sums(now).await
    }
}

pub(crate) async fn ten_by_default() {
    let settings = Settings::defaults().unwrap();
    assert_eq!(settings.service.max_concurrent_creations, 10);
    as_many_as_set(&settings).await;
}

pub(crate) async fn as_many_as_are_set() {
    let mut settings = Settings::defaults().unwrap();
    settings.service.max_concurrent_creations = 3;
    as_many_as_set(&settings).await;
}

/// While nobody hears of any landing the room fills up and stays full; afterwards all are served, and at no moment were
/// there more under way than there is room for.
async fn as_many_as_set(settings: &Settings) {
    let room = settings.service.max_concurrent_creations;
    let chain = TestChain::embedded().await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let gate = Gate::closed();
    proxy.spoil_all("getSignatureStatuses", Fault::Hold(gate.clone()));
    let books = Arc::new(CountingBooks::default());
    let engine = engine(settings, &chain, &proxy, Arc::clone(&books)).await;

    let wanted = requests(WANTED, 200);
    let deadline = Instant::now() + LIMIT;
    let creating = join_all(wanted.chunks(1).map(|one| engine.create_batch(one.to_vec(), deadline)));
    let looking = async {
        proxy.arrived("sendTransaction", room as u64).await;
        // Two polls, the second after the patience of the first: whatever was not sent by now waits for room.
        proxy.arrived("getSignatureStatuses", 2).await;
        let full = (books.under_way(), proxy.offers().len());
        gate.open();
        full
    };
    let (answers, full) = tokio::join!(creating, looking);
    assert_eq!(full, (room, room), "under way, and sent for the first time");
    assert_eq!(
        assert_all_created(&answers.concat()),
        WANTED,
        "each by its own transaction"
    );
    assert_eq!(
        (books.most(), books.under_way()),
        (room, 0),
        "the most at once, and now"
    );
    engine.shutdown().await;
}

async fn engine(settings: &Settings, chain: &TestChain, proxy: &FaultProxy, books: Arc<CountingBooks>) -> Engine {
    let wallet = chain.wallet(10_000_000_000).await;
    let signers = SignerPool::of_keypairs(vec![wallet]).unwrap();
    let patience = Duration::from_secs(2);
    let pool = RpcPool::new(
        vec![proxy.endpoint()],
        CommitmentConfig::confirmed(),
        RetryPolicy::default(),
        patience,
    );
    let config = engine_config(settings, &signers);
    Engine::start(config, pool.unwrap(), signers, books).await.unwrap()
}
