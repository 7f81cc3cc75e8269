//! The half of the service that empties the queue: queues, engine, function and event source.

use std::{sync::Arc, time::Duration};

use create_accounts::{
    Handler, RecordObserver, SetupError, engine_config, handler_config, shared_ledger, spending_limits,
};
use session_chain::RpcPool;
use session_config::{QueueKind, Settings};
use session_engine::{Engine, EngineError, SignerPool};
use session_ledger::Ledger;
use session_listener::Passing;
use session_queue::Queue;
use session_store::{Store, StoreError, StoreLedger};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    event_source::{EventSource, EventSourceConfig},
    history::{Historian, History},
    invoker::{FunctionUrl, InProcess, Invoker},
    queues::{Queues, QueuesError},
    witness::Witness,
};

/// How long a drain waits for messages that are queued in memory or under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// How often a drain looks whether the queue is empty.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// What could not start.
#[derive(Debug, thiserror::Error)]
pub enum HandlingError {
    /// The queues.
    #[error(transparent)]
    Queues(#[from] QueuesError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The shared ledger.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// This machine's ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the half is made of.
pub struct HandlingParts {
    /// The chain.
    pub pool: RpcPool,
    /// The wallets.
    pub signers: SignerPool,
    /// Who is told how each record ended.
    pub observer: Arc<dyn RecordObserver>,
    /// Who sees the queue's messages pass, if anybody does.
    pub passing: Option<Arc<dyn Passing>>,
}

/// All of the half that can fail to start, before anything is received: a message that is received has an attempt less.
pub struct Readied {
    pub(crate) queues: Queues,
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Option<Store>,
    history: Option<History>,
    in_memory: bool,
    mapping: EventSource,
}

/// The running half.
pub struct Handling {
    pub(crate) queues: Queues,
    pub(crate) engine: Arc<Engine>,
    in_memory: bool,
    pub(crate) store: Option<Store>,
    history: Option<History>,
    source: JoinHandle<()>,
    stop: CancellationToken,
}

impl Readied {
    /// Opens queues and books, and starts the engine.
    ///
    /// # Errors
    /// [`HandlingError`].
    pub async fn open(settings: &Settings, parts: HandlingParts) -> Result<Self, HandlingError> {
        let HandlingParts {
            pool,
            signers,
            mut observer,
            passing,
        } = parts;
        let mut queues = Queues::open(settings).await?.watched(passing);
        let config = engine_config(settings, &signers);
        let (mut ledger, store) = ledger(settings, &queues).await?;
        let history = store.as_ref().and_then(|store| History::start(store, settings.history));
        if let Some(historian) = history.as_ref().map(History::historian) {
            queues.source = historian.queue(queues.source);
            ledger = historian.ledger(ledger);
            observer = historian.observer(observer);
        }
        let engine = Arc::new(Engine::start(config, pool.clone(), signers, ledger).await?);
        let invoker = invoker(settings, &queues, pool, Arc::clone(&engine), observer);
        let mapping = EventSource::new(Arc::clone(&queues.source), invoker, event_source_config(settings));
        Ok(Self {
            queues,
            engine,
            store,
            history,
            in_memory: settings.queue.kind == QueueKind::Memory,
            mapping,
        })
    }

    /// Starts polling.
    #[must_use]
    pub fn begin(self) -> Handling {
        let stop = CancellationToken::new();
        Handling {
            queues: self.queues,
            engine: self.engine,
            in_memory: self.in_memory,
            store: self.store,
            history: self.history,
            source: tokio::spawn(self.mapping.run(stop.clone())),
            stop,
        }
    }
}

impl Handling {
    /// The queues that are emptied.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The store that this process owns, where it needs one.
    #[must_use]
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Who is told what happens to sessions' requests, where that is kept.
    pub(crate) fn historian(&self) -> Option<&Historian> {
        self.history.as_ref().map(History::historian)
    }

    /// Lets what is queued in memory and what is under way finish, then stops. Says whether nothing was left.
    pub async fn drain(self) -> bool {
        let drained = !self.in_memory || timeout(DRAIN_LIMIT, emptied(self.queues.source.as_ref())).await.is_ok();
        if !drained {
            tracing::warn!(limit = ?DRAIN_LIMIT, "messages are left; they are read again from the watermark");
        }
        self.stop.cancel();
        if let Err(error) = self.source.await {
            tracing::error!(%error, "the event source did not end well");
        }
        self.engine.shutdown().await;
        if let Some(history) = self.history {
            history.end().await;
        }
        drop(self.engine);
        drop(self.queues);
        if let Some(store) = self.store {
            store.close().await;
        }
        drained
    }
}

/// The ledger that all processes share, or the one of this machine with the store that it is kept in.
async fn ledger(settings: &Settings, queues: &Queues) -> Result<(Arc<dyn Ledger>, Option<Store>), HandlingError> {
    if let Some(shared) = shared_ledger(settings).await? {
        return Ok((Arc::new(shared), queues.store.clone()));
    }
    let store = match &queues.store {
        Some(store) => store.clone(),
        None => Store::open(&settings.service.state_dir).await?,
    };
    let ledger = StoreLedger::new(store.clone(), spending_limits(settings));
    Ok((Arc::new(ledger), Some(store)))
}

/// Waits until nothing is queued or under way.
async fn emptied(queue: &dyn Queue) {
    while queue.depth().await.is_ok_and(|depth| depth.total() > 0) {
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

fn invoker(
    settings: &Settings,
    queues: &Queues,
    pool: RpcPool,
    engine: Arc<Engine>,
    observer: Arc<dyn RecordObserver>,
) -> Arc<dyn Invoker> {
    if let Some(url) = &settings.service.function_url {
        return Arc::new(Witness {
            function: FunctionUrl::new(url.clone()),
            engine,
            pool,
            observer,
            visibility_timeout: settings.queue.visibility_timeout,
        });
    }
    let (source, dead_letters) = (Arc::clone(&queues.source), Arc::clone(&queues.dead_letters));
    let handler = Handler::new(engine, source, dead_letters, handler_config(settings), observer);
    Arc::new(InProcess(Arc::new(handler)))
}

fn event_source_config(settings: &Settings) -> EventSourceConfig {
    let service = &settings.service;
    EventSourceConfig {
        batch_size: service.batch_size,
        batch_window: service.batch_window,
        max_concurrency: service.max_concurrent_invocations,
        function_timeout: service.function_timeout,
        visibility_timeout: settings.queue.visibility_timeout,
    }
}
