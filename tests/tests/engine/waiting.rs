//! Waiting is not failing: whole services on a real chain, by a clock that the test turns, of which only the money is short.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use create_accounts::{Conclusion, Handler, HandlerConfig, RecordObserver, RecordReport};
use session_builder::{
    event_source::{EventSource, EventSourceConfig},
    invoker::InProcess,
};
use session_chain::{CommitmentConfig, RetryPolicy, RpcPool};
use session_engine::{Engine, EngineConfig, Outcome, Policy, SignerPool};
use session_events::{factory::SESSION_FACTORY_ID, session::SESSION_PROGRAM_ID};
use session_ledger::{
    AddressRecord, Books, Hold, HoldAnswer, HoldId, InMemoryLedger, Ledger, LedgerError, Limits, Refusal, Step,
    StepAnswer, Summary,
};
use session_message::{Message, Origin, Source};
use session_queue::{Clock, InMemoryConfig, InMemoryQueue, MESSAGE_GROUP_ID, Queue, SendEntry, VisibilityBackoff};
use session_tests::{
    chain::TestChain,
    creation::{LIMIT, requests},
    wait,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signer};
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// Bytes of each session.
const SIZE: u64 = 200;
/// Its rent on a chain with mainnet's price.
const RENT: u64 = (SIZE + 128) * 6_960;

/// Books that go by the turned clock, whatever their reader's says.
struct TurnedBooks {
    books: InMemoryLedger,
    clock: Clock,
}

impl TurnedBooks {
    /// A moment of the turned clock by the reader's.
    fn told(&self, at: SystemTime) -> SystemTime {
        at - self
            .clock
            .now()
            .duration_since(session_clock::now())
            .unwrap_or_default()
    }
}

#[async_trait]
impl Books for TurnedBooks {
    async fn take(&self, step: Step, _now: SystemTime) -> Result<StepAnswer, LedgerError> {
        let mut answer = self.books.take(step, self.clock.now()).await?;
        if let StepAnswer::Hold(HoldAnswer::Refused(refusals)) = &mut answer {
            for refusal in refusals {
                if let Refusal::Budget { room_at, .. } | Refusal::RequesterBudget { room_at, .. } = refusal {
                    *room_at = room_at.map(|at| self.told(at));
                }
            }
        }
        Ok(answer)
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

    async fn sums(&self, _now: SystemTime) -> Result<Summary, LedgerError> {
        self.books.sums(self.clock.now()).await
    }
}

/// Keeps every report, and when it came by the turned clock.
struct Watcher {
    clock: Clock,
    reports: Mutex<Vec<(SystemTime, RecordReport)>>,
}

impl RecordObserver for Watcher {
    fn concluded(&self, report: &RecordReport) {
        self.reports.lock().unwrap().push((self.clock.now(), report.clone()));
    }
}

/// Queues, a handler, an engine and its wallet on a chain, all by one clock.
struct Service {
    clock: Clock,
    source: Arc<InMemoryQueue>,
    dead_letters: Arc<InMemoryQueue>,
    handler: Arc<Handler>,
    engine: Arc<Engine>,
    ledger: Arc<TurnedBooks>,
    watcher: Arc<Watcher>,
    /// Messages that were queued and not handled.
    queued: AtomicUsize,
}

impl Service {
    async fn start(chain: &TestChain, wallet: &Keypair, limits: Limits, policy: Policy) -> Self {
        let clock = Clock::system();
        let queue = |name: &str| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: 3 * MINUTE,
            capacity: 10_000,
        };
        let (source, dead_letters) = InMemoryQueue::volatile(queue("sessions"), queue("dead-letters"), 5);
        let source = Arc::new(source.with_clock(clock.clone()));
        let ledger = Arc::new(TurnedBooks {
            books: InMemoryLedger::new(limits),
            clock: clock.clone(),
        });
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
        let watcher = Arc::new(Watcher {
            clock: clock.clone(),
            reports: Mutex::default(),
        });
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
            handler: Arc::new(handler.with_clock(clock.clone())),
            clock,
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
                // The queue reads its clock a moment later than the watcher at most.
                Conclusion::Deferred { after, .. } => drop(waiting.insert(session_id, *at + after)),
                _ => drop(waiting.remove(&session_id)),
            }
        }
        let now = self.clock.now();
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

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_wallet_that_is_filled_after_ten_deferrals_loses_nobody() {
    const SESSIONS: usize = 20;
    let chain = TestChain::embedded().await;
    let wallet = chain.wallet(1_000_000).await;
    let policy = Policy {
        wallet_reserve_lamports: 900_000,
        ..Policy::default()
    };
    let service = Service::start(&chain, &wallet, Limits::default(), policy).await;
    let requester = Pubkey::new_unique();
    service.request(requester, SESSIONS).await;
    for round in 1..=10 {
        service.handle().await;
        assert_eq!(service.deferred(requester), round * SESSIONS, "in round {round}");
        assert_eq!(service.created(requester), 0);
        service.clock.turn(MINUTE + Duration::from_secs(1));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_on_a_budget_for_a_hundred_are_all_created_as_the_clock_goes_on() {
    const SESSIONS: usize = 1_000;
    const IN_AN_HOUR: usize = 100;
    let chain = TestChain::embedded().await;
    let wallet = chain.wallet(100_000_000_000).await;
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
    let service = Service::start(&chain, &wallet, limits, policy).await;
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

    let (mut minutes, mut nearly_all) = (0, None);
    while service.created(many) < SESSIONS {
        service.clock.turn(2 * MINUTE);
        minutes += 2;
        assert!(minutes < 24 * 60, "{} were created in a day", service.created(many));
        service.handle().await;
        // The engine's own promises go by a clock that is not turned: the few that come for nothing wait longer here.
        if service.created(many) >= SESSIONS - SESSIONS / 50 {
            nearly_all.get_or_insert(minutes);
        }
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
    println!(
        "{SESSIONS} requests on a budget for {IN_AN_HOUR}: {at_once} at once, 98 of 100 after {nearly_all:?} minutes, the last after {minutes}, {} deferrals in all",
        service.deferred(many)
    );
    // Everybody waits for a moment of his own: hardly anybody comes for nothing.
    assert!(
        service.deferred(many) < SESSIONS + SESSIONS / 2,
        "{} deferrals",
        service.deferred(many)
    );
    service.engine.shutdown().await;
}
