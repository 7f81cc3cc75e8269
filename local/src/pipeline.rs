//! The service as one process runs it: listener, queue, event source, handler, checks and endpoints, each a task that
//! the pipeline owns, and the order in which they start and drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use create_accounts::{Handler, RecordObserver, SetupError, engine_config, handler_config};
use session_admin::{AdminError, Check, HealthRegistry, Metrics, Pages, Stats, run_checks, serve};
use session_chain::RpcPool;
use session_config::{QueueKind, Settings};
use session_engine::{Engine, EngineError, SignerPool};
use session_listener::{
    CursorStore, EventHandler, Listener, ListenerConfig, ListenerError, ListenerStatus, SettingsError,
};
use session_queue::Queue;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    checks::{EventStream, RpcSlot, WalletBalance},
    event_source::{EventSource, EventSourceConfig},
    gauges,
    invoker::{FunctionUrl, InProcess, Invoker},
    queues::{Queues, QueuesError},
    redrive_request,
    tally::Tally,
};

/// How long a drain waits for messages that are queued in memory or under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// How often a drain looks whether the queue is empty.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// What a pipeline needs beside the settings.
pub struct PipelineParts {
    /// The chain.
    pub pool: RpcPool,
    /// Who pays.
    pub signers: SignerPool,
    /// Who sees each record's end.
    pub observer: Arc<dyn RecordObserver>,
    /// What `/metrics` shows; without it the page does not exist.
    pub metrics: Option<Metrics>,
    /// Handlers of the user's own for the factory's events.
    pub event_handlers: Vec<Arc<dyn EventHandler>>,
}

/// The pipeline could not start.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The settings do not make a service.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The queues.
    #[error(transparent)]
    Queues(#[from] QueuesError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The listener's settings, or the cursor.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The listener.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The endpoints.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The bound address cannot be told.
    #[error("the address of /health cannot be told: {0}")]
    Address(std::io::Error),
}

/// A running service.
pub struct Pipeline {
    queues: Queues,
    engine: Arc<Engine>,
    stats: Arc<Stats>,
    status: watch::Receiver<ListenerStatus>,
    address: SocketAddr,
    in_memory: bool,
    listener: JoinHandle<Result<(), ListenerError>>,
    stop_listening: CancellationToken,
    source: JoinHandle<()>,
    stop_invoking: CancellationToken,
    watchers: TaskTracker,
    stop_watching: CancellationToken,
}

impl Pipeline {
    /// Starts everything, the endpoints last: a service that answers on `/health` is complete.
    ///
    /// # Errors
    /// [`PipelineError`] names what could not start and why.
    pub async fn start(settings: &Settings, parts: PipelineParts) -> Result<Self, PipelineError> {
        let queues = Queues::open(settings).await?;
        let config = engine_config(settings, &parts.signers);
        let engine = Arc::new(Engine::start(config, parts.pool.clone(), parts.signers).await?);
        let stats = Arc::new(Stats::default());

        let observer = Arc::new(Tally {
            stats: Arc::clone(&stats),
            next: parts.observer,
        });
        let invoker = invoker(settings, &queues, Arc::clone(&engine), observer);
        let mapping = EventSource::new(Arc::clone(&queues.source), invoker, event_source_config(settings));
        let listener_config = ListenerConfig::from_settings(settings)?;
        let cursors = CursorStore::from_settings(settings)?;
        let listener = Listener::new(
            listener_config,
            parts.pool.clone(),
            Arc::clone(&queues.source),
            cursors,
            parts.event_handlers,
        )?;
        let status = listener.status();

        let socket = session_admin::bind(settings.monitoring.bind_address, settings.monitoring.metrics_port).await?;
        let address = socket.local_addr().map_err(PipelineError::Address)?;
        let (stop_watching, watchers) = (CancellationToken::new(), TaskTracker::new());
        let health = HealthRegistry::default();
        let checks: Vec<Arc<dyn Check>> = vec![
            Arc::new(RpcSlot(parts.pool.clone())),
            Arc::new(WalletBalance {
                engine: Arc::clone(&engine),
                pool: parts.pool,
            }),
            Arc::new(EventStream(status.clone())),
        ];
        let interval = settings.monitoring.health_check_interval;
        watchers.spawn(run_checks(health.clone(), interval, checks, stop_watching.clone()));
        watchers.spawn(gauges::keep(Arc::clone(&stats), queues.clone(), stop_watching.clone()));
        if settings.queue.kind == QueueKind::Memory {
            let state_dir = settings.service.state_dir.clone();
            watchers.spawn(redrive_request::serve(state_dir, queues.clone(), stop_watching.clone()));
        }
        let metrics = parts.metrics.filter(|_| settings.monitoring.enable_prometheus);
        let pages = Pages {
            health,
            stats: Arc::clone(&stats),
            metrics,
        };
        watchers.spawn(serve(socket, pages, stop_watching.clone()));

        let (stop_listening, stop_invoking) = (CancellationToken::new(), CancellationToken::new());
        Ok(Self {
            in_memory: settings.queue.kind == QueueKind::Memory,
            listener: tokio::spawn(listener.run(stop_listening.clone())),
            source: tokio::spawn(mapping.run(stop_invoking.clone())),
            queues,
            engine,
            stats,
            status,
            address,
            stop_listening,
            stop_invoking,
            watchers,
            stop_watching,
        })
    }

    /// The queue between listener and handler.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.queues.source
    }

    /// The dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self) -> &Arc<dyn Queue> {
        &self.queues.dead_letters
    }

    /// What the listener says about itself.
    #[must_use]
    pub fn listener_status(&self) -> watch::Receiver<ListenerStatus> {
        self.status.clone()
    }

    /// Where `/health`, `/stats` and `/metrics` are.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the listener hears the chain.
    pub async fn listening(&self) {
        // The listener's end closes the channel, and `ended` tells of it.
        let _ = self
            .status
            .clone()
            .wait_for(|status| status.connected && status.cursor_slot.is_some())
            .await;
    }

    /// Waits for the listener's end, which comes before a drain only if it failed.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn ended(&mut self) -> Result<(), ListenerError> {
        joined((&mut self.listener).await)
    }

    /// Stops listening, lets what is queued and under way finish, and stops everything else.
    pub async fn drain(self) {
        self.stats.stopped();
        self.stop_listening.cancel();
        if !self.listener.is_finished()
            && let Err(error) = joined(self.listener.await)
        {
            tracing::error!(%error, "the listener did not end well");
        }
        if self.in_memory
            && timeout(DRAIN_LIMIT, emptied(self.queues.source.as_ref()))
                .await
                .is_err()
        {
            tracing::warn!(limit = ?DRAIN_LIMIT, "messages are left; they are read again from the cursor");
        }
        self.stop_invoking.cancel();
        if let Err(error) = self.source.await {
            tracing::error!(%error, "the event source did not end well");
        }
        self.engine.shutdown().await;
        self.stop_watching.cancel();
        self.watchers.close();
        self.watchers.wait().await;
    }
}

fn joined(ended: Result<Result<(), ListenerError>, tokio::task::JoinError>) -> Result<(), ListenerError> {
    ended.map_err(|source| ListenerError::Task { task: "main", source })?
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
    engine: Arc<Engine>,
    observer: Arc<dyn RecordObserver>,
) -> Arc<dyn Invoker> {
    if let Some(url) = &settings.service.function_url {
        Arc::new(FunctionUrl::new(url.clone()))
    } else {
        let (source, dead_letters) = (Arc::clone(&queues.source), Arc::clone(&queues.dead_letters));
        let handler = Handler::new(engine, source, dead_letters, handler_config(settings), observer);
        Arc::new(InProcess(Arc::new(handler)))
    }
}

fn event_source_config(settings: &Settings) -> EventSourceConfig {
    let service = &settings.service;
    EventSourceConfig {
        batch_size: service.batch_size,
        batch_window: service.batch_window,
        max_concurrency: service.max_concurrent_creations.div_ceil(service.batch_size),
        function_timeout: service.function_timeout,
        visibility_timeout: settings.queue.visibility_timeout,
    }
}
