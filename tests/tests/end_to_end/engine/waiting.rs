//! Waiting is not failing: whole services on a real chain, by a clock that the test turns, of which only the money is short.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use create_accounts::{Conclusion, Handler, HandlerConfig, RecordObserver, RecordReport};
use session_builder::{
    event_source::{EventSource, EventSourceConfig},
    invoker::InProcess,
};
use session_chain::{CommitmentConfig, RetryPolicy, RpcPool};
use session_engine::{Engine, EngineConfig, Outcome, Policy, SignerPool};
use session_events::{factory::SESSION_FACTORY_ID, session::SESSION_PROGRAM_ID};
use session_ledger::{InMemoryLedger, Ledger, Limits};
use session_message::{Message, Origin, Source};
use session_queue::{InMemoryConfig, InMemoryQueue, MESSAGE_GROUP_ID, Queue, SendEntry, VisibilityBackoff};
use session_tests::{
    chain::TestChain,
    creation::{LIMIT, requests},
    wait,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signer};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// Bytes of each session.
const SIZE: u64 = 200;
/// Its rent on a chain with mainnet's price.
const RENT: u64 = (SIZE + 128) * 6_960;

/// Keeps every report, and when it came.
#[derive(Default)]
struct Watcher {
    reports: Mutex<Vec<(SystemTime, RecordReport)>>,
}

impl RecordObserver for Watcher {
    fn concluded(&self, report: &RecordReport) {
        self.reports
            .lock()
            .unwrap()
            .push((session_clock::now(), report.clone()));
    }
}

/// Queues, a handler, an engine and its wallet on a chain, all by the clock of their runtime.
struct Service {
    source: Arc<InMemoryQueue>,
    dead_letters: Arc<InMemoryQueue>,
    handler: Arc<Handler>,
    engine: Arc<Engine>,
    ledger: Arc<InMemoryLedger>,
    watcher: Arc<Watcher>,
    /// Messages that were queued and not handled.
    queued: AtomicUsize,
}

impl Service {
    async fn start(chain: &TestChain, wallet: &Keypair, limits: Limits, policy: Policy) -> Self {
        let queue = |name: &str| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: 3 * MINUTE,
            capacity: 10_000,
        };
        let (source, dead_letters) = InMemoryQueue::volatile(queue("sessions"), queue("dead-letters"), 5);
        let source = Arc::new(source);
        let ledger = Arc::new(InMemoryLedger::new(limits));
        let pool = RpcPool::new(
            vec![chain.endpoint()],
            CommitmentConfig::confirmed(),
            RetryPolicy::default(),
            Duration::from_secs(5),
        );
        let signers = SignerPool::of_keypairs(vec![wallet.insecure_clone()]).unwrap();
        let config = EngineConfig {
            policy,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config, pool.unwrap(), signers, ledger.clone())
            .await
            .unwrap();
        let engine = Arc::new(engine);
        let watcher = Arc::new(Watcher::default());
        let config = HandlerConfig {
            max_receive_count: 5,
            visibility_backoff: VisibilityBackoff::default(),
            deferral_max: 24 * HOUR,
            deadline_margin: Duration::from_millis(500),
        };
        let observer: Arc<dyn RecordObserver> = watcher.clone();
        let handler = Handler::new(
            Arc::clone(&engine),
            source.clone(),
            dead_letters.clone(),
            config,
            observer,
        );
        Self {
            handler: Arc::new(handler),
            source,
            dead_letters,
            engine,
            ledger,
            watcher,
            queued: AtomicUsize::new(0),
        }
    }

    /// Queues sessions that a requester has asked for.
    async fn request(&self, requester: Pubkey, count: usize) {
        for request in requests(count, SIZE) {
            let event = session_events::PdaComputedEvent {
                expected_pda: request.pda,
                expected_size: request.size,
                expected_owner: SESSION_PROGRAM_ID,
                session_id: request.session_id,
                owner: request.session_owner,
                eval_program: Pubkey::new_unique(),
                shard_address: Pubkey::new_unique(),
                namespaces: Vec::new(),
                compute_slot: 1,
            };
            let source = Source {
                signature: Some(solana_sdk::signature::Signature::new_unique().to_string()),
                slot: 1,
                event_index: 0,
                program_id: SESSION_FACTORY_ID,
                observed_at: session_clock::now().into(),
                origin: Origin::Live,
                requester: Some(requester),
            };
            let entry = SendEntry {
                body: Message::new(event, source).to_json().unwrap(),
                attributes: [(MESSAGE_GROUP_ID.to_owned(), requester.to_string())].into(),
                delay: Duration::ZERO,
            };
            let sent = self.source.send_batch(vec![entry]).await.unwrap();
            assert!(sent.entries[0].is_ok());
        }
        self.queued.fetch_add(count, Ordering::Relaxed);
    }

    /// Lets the event source hand over everything that has come by now.
    async fn handle(&self) {
        if self.queued.load(Ordering::Relaxed) + self.due() == 0 {
            return;
        }
        let config = EventSourceConfig {
            batch_size: 100,
            batch_window: Duration::from_millis(20),
            max_concurrency: 4,
            function_timeout: LIMIT,
            visibility_timeout: 3 * MINUTE,
        };
        let invoker = Arc::new(InProcess(Arc::clone(&self.handler)));
        let stop = CancellationToken::new();
        let expected = self.concluded() + self.queued.swap(0, Ordering::Relaxed) + self.due();
        let running = tokio::spawn(EventSource::new(self.source.clone(), invoker, config).run(stop.clone()));
        wait::until_true("everything is handled", 3 * LIMIT, || async {
            self.concluded() >= expected && self.source.depth().await.unwrap().total() == 0
        })
        .await;
        stop.cancel();
        running.await.unwrap();
    }

    fn concluded(&self) -> usize {
        self.watcher.reports.lock().unwrap().len()
    }

    /// How many of those that were deferred have come by now.
    fn due(&self) -> usize {
        let mut waiting: BTreeMap<String, SystemTime> = BTreeMap::new();
        for (at, report) in self.watcher.reports.lock().unwrap().iter() {
            let session_id = report.message.as_ref().unwrap().event.session_id.clone();
            match report.conclusion {
                // The queue reads the clock a moment later than the watcher at most.
                Conclusion::Deferred { after, .. } => drop(waiting.insert(session_id, *at + after)),
                _ => drop(waiting.remove(&session_id)),
            }
        }
        let now = session_clock::now();
        waiting.values().filter(|due| **due <= now).count()
    }

    /// How many sessions of a requester were created so far, in how many reports of the given kind.
    fn count(&self, requester: Pubkey, wanted: impl Fn(&Conclusion) -> bool) -> usize {
        let reports = self.watcher.reports.lock().unwrap();
        let its = |report: &RecordReport| report.message.as_ref().unwrap().source.requester == Some(requester);
        reports
            .iter()
            .filter(|(_, report)| its(report) && wanted(&report.conclusion))
            .count()
    }

    fn created(&self, requester: Pubkey) -> usize {
        self.count(requester, |conclusion| {
            matches!(conclusion, Conclusion::Verified(Outcome::Created { .. }))
        })
    }

    fn deferred(&self, requester: Pubkey) -> usize {
        self.count(requester, |conclusion| {
            matches!(conclusion, Conclusion::Deferred { .. })
        })
    }

    /// Fails unless every report is of a first attempt, and nothing is dead.
    async fn assert_nothing_failed(&self) {
        for (_, report) in self.watcher.reports.lock().unwrap().iter() {
            assert_eq!(report.attempt, 1, "waiting cost an attempt: {report:?}");
            assert!(
                matches!(
                    report.conclusion,
                    Conclusion::Verified(Outcome::Created { .. }) | Conclusion::Deferred { .. }
                ),
                "{report:?}"
            );
        }
        assert_eq!(self.dead_letters.depth().await.unwrap().total(), 0);
        let depth = self.source.depth().await.unwrap();
        assert_eq!((depth.total(), depth.deferred), (0, 0), "nothing is left");
    }
}

/// Runs a test in a runtime whose clock it can turn, with a chain and a wallet whose clock is another one's.
fn by_a_clock_of_its_own(lamports: u64, test: impl AsyncFnOnce(&TestChain, &Keypair)) {
    let chains = Runtime::new().unwrap();
    let (chain, wallet) = chains.block_on(async {
        let chain = TestChain::embedded().await;
        let wallet = chain.wallet(lamports).await;
        (chain, wallet)
    });
    let services = Builder::new_current_thread().enable_all().build().unwrap();
    services.block_on(test(&chain, &wallet));
}

/// It is later by so much for everything in this runtime, as if the machine had been asleep.
async fn turn(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

pub(crate) fn an_empty_wallet_that_is_filled_after_ten_deferrals_loses_nobody() {
    by_a_clock_of_its_own(1_000_000, fill_after_ten_deferrals);
}

async fn fill_after_ten_deferrals(chain: &TestChain, wallet: &Keypair) {
    const SESSIONS: usize = 20;
    let policy = Policy {
        wallet_reserve_lamports: 900_000,
        ..Policy::default()
    };
    let service = Service::start(chain, wallet, Limits::default(), policy).await;
    let requester = Pubkey::new_unique();
    service.request(requester, SESSIONS).await;
    for round in 1..=10 {
        service.handle().await;
        assert_eq!(service.deferred(requester), round * SESSIONS, "in round {round}");
        assert_eq!(service.created(requester), 0);
        turn(MINUTE + Duration::from_secs(1)).await;
    }
    let fill =
        solana_system_interface::instruction::transfer(&chain.payer().pubkey(), &wallet.pubkey(), 10_000_000_000);
    chain.send(&[fill]).await.unwrap();
    service.handle().await;
    assert_eq!(service.created(requester), SESSIONS);
    service.assert_nothing_failed().await;
    println!(
        "{SESSIONS} sessions deferred ten times each for an empty wallet: all verified, first attempts, none dead"
    );
    service.engine.shutdown().await;
}

pub(crate) fn a_thousand_requests_on_a_budget_for_a_hundred_are_all_created_as_the_clock_goes_on() {
    by_a_clock_of_its_own(100_000_000_000, create_a_thousand_on_a_budget);
}

async fn create_a_thousand_on_a_budget(chain: &TestChain, wallet: &Keypair) {
    const SESSIONS: usize = 1_000;
    const IN_AN_HOUR: usize = 100;
    const STEP: Duration = Duration::from_mins(10);
    let policy = Policy {
        max_priority_fee_lamports: 0,
        ..Policy::default()
    };
    // Fees are less than the rent of one session, however few share a transaction.
    let limit = IN_AN_HOUR as u64 * (RENT + 5_000);
    let limits = Limits {
        lamports_per_hour: None,
        lamports_per_requester_per_hour: Some(limit),
    };
    let service = Service::start(chain, wallet, limits, policy).await;
    let (many, few) = (Pubkey::new_unique(), Pubkey::new_unique());
    let balance = chain.rpc().get_balance(&wallet.pubkey()).await.unwrap();
    service.request(many, SESSIONS).await;
    service.handle().await;
    let at_once = service.created(many);
    assert!((IN_AN_HOUR - 1..=IN_AN_HOUR).contains(&at_once), "{at_once}");
    assert_eq!(service.deferred(many), SESSIONS - at_once);
    service.request(few, 50).await;
    service.handle().await;
    assert_eq!(
        (service.created(few), service.deferred(few)),
        (50, 0),
        "another is served meanwhile"
    );

    let began = session_clock::now();
    while service.created(many) < SESSIONS {
        turn(STEP).await;
        let passed = session_clock::now().duration_since(began).unwrap();
        assert!(
            passed < 13 * HOUR,
            "{} were created in {passed:?}",
            service.created(many)
        );
        service.handle().await;
    }
    service.assert_nothing_failed().await;
    let spent = service.ledger.summary(session_clock::now()).await.unwrap();
    let balance = balance - chain.rpc().get_balance(&wallet.pubkey()).await.unwrap();
    assert_eq!(
        spent.total.spent_lamports(),
        balance,
        "the books are the wallet's, to the lamport"
    );
    let mut creations: Vec<SystemTime> = Vec::new();
    for (at, report) in service.watcher.reports.lock().unwrap().iter() {
        let created = matches!(report.conclusion, Conclusion::Verified(_));
        creations.extend((created && report.message.as_ref().unwrap().source.requester == Some(many)).then_some(*at));
    }
    for from in &creations {
        let hour = creations
            .iter()
            .filter(|at| *at >= from && **at < *from + HOUR - Duration::from_secs(30))
            .count();
        assert!(hour <= IN_AN_HOUR, "{hour} in an hour");
    }
    let last = creations.iter().max().unwrap().duration_since(began).unwrap();
    println!(
        "{SESSIONS} requests on a budget for {IN_AN_HOUR}: {at_once} at once, the last after {} minutes, {} deferrals in all",
        last.as_secs() / 60,
        service.deferred(many)
    );
    // As fast as the budget comes back, but for the hour of whoever comes a step of the clock too late: what was promised is
    // what the books keep.
    let hours = u32::try_from((SESSIONS - IN_AN_HOUR) / IN_AN_HOUR).unwrap();
    assert!(last > hours * HOUR && last < (hours + 4) * HOUR, "{last:?}");
    // Everybody waits for a moment of his own: hardly anybody comes for nothing.
    assert!(
        service.deferred(many) < SESSIONS + SESSIONS / 2,
        "{} deferrals",
        service.deferred(many)
    );
    service.engine.shutdown().await;
}
