//! The service as one process runs it: listener, queue, event source, handler, checks and endpoints, each a task that
//! the pipeline owns, and the order in which they start and drain.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use create_accounts::RecordObserver;
use session_admin::{
    AdminError, Api, Check, HealthRegistry, Metrics, Pages, Stats, Token, TokenError, patience, run_checks, serve,
};
use session_chain::RpcPool;
use session_config::Settings;
use session_engine::{Engine, SignerPool};
use session_listener::{
    EventHandler, EventStream, Listener, ListenerConfig, ListenerError, ListenerStatus, QuarantineDepth, QueueCheck,
    RpcSlot, SettingsError, WalletBalance,
};
use session_queue::Queue;
use solana_pubkey::Pubkey;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    alerts::{self, Letters},
    client, gauges,
    handling::{Handling, HandlingError, HandlingParts, Readied},
    lasting::lasting,
    operations::{Desk, ServiceOperations, Ward},
    tally::Tally,
    unserved::{Accounts, Unserved},
};

/// What a pipeline needs beside the settings.
pub struct PipelineParts {
    /// The chain.
    pub pool: RpcPool,
    /// How the chain is called where somebody asks; without secrets.
    pub chain: String,
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
    /// The queues, or the engine.
    #[error(transparent)]
    Handling(#[from] HandlingError),
    /// The listener's settings, or the watermark.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The listener.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The endpoints.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The token of the API.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The state folder takes no file.
    #[error("service.state_dir: {folder} takes no file: {source}", folder = .folder.display())]
    StateDir {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The bound address cannot be told.
    #[error("the address of /health cannot be told: {0}")]
    Address(std::io::Error),
}

/// A running service.
pub struct Pipeline {
    handling: Handling,
    stats: Arc<Stats>,
    status: watch::Receiver<ListenerStatus>,
    address: SocketAddr,
    state_dir: PathBuf,
    listener: JoinHandle<Result<(), ListenerError>>,
    stop_listening: CancellationToken,
    watchers: TaskTracker,
    stop_watching: CancellationToken,
}

impl Pipeline {
    /// Starts everything. Whatever can be wrong is found before the first message is received; the endpoints come last: a
    /// service that answers on `/health` is complete.
    ///
    /// # Errors
    /// [`PipelineError`] names what could not start and why.
    pub async fn start(settings: &Settings, parts: PipelineParts) -> Result<Self, PipelineError> {
        let stats = Arc::new(Stats::default());
        let interval = settings.monitoring.health_check_interval;
        let unserved = Unserved::new(patience(interval));
        let letters = Arc::<Letters>::default();
        let observer = Arc::new(Tally {
            stats: Arc::clone(&stats),
            unserved: unserved.clone(),
            letters: Arc::clone(&letters),
            next: parts.observer,
        });
        let passing = Arc::new(unserved.clone());
        let listener_config = ListenerConfig::from_settings(settings)?;
        let socket = session_admin::bind(settings.monitoring.bind_address, settings.monitoring.metrics_port).await?;
        let address = socket.local_addr().map_err(PipelineError::Address)?;
        let of_handling = HandlingParts {
            pool: parts.pool.clone(),
            signers: parts.signers,
            observer,
            passing: Some(passing),
        };
        let readied = Readied::open(settings, of_handling).await?;
        let queues = readied.queues.clone();
        let lasting = lasting(settings, readied.store.as_ref()).await?;
        let ward = Ward::of(lasting.quarantine.clone());
        let listener = Listener::new(
            listener_config,
            parts.pool.clone(),
            Arc::clone(&queues.source),
            lasting,
            parts.event_handlers,
        )?;
        let status = listener.status();
        let state_dir = settings.service.state_dir.clone();
        let token = Token::create(&state_dir)?;
        client::announce(&state_dir, address).map_err(|source| PipelineError::StateDir {
            folder: state_dir.clone(),
            source,
        })?;
        // Nothing fails any more.
        let handling = readied.begin();

        let (stop_watching, watchers) = (CancellationToken::new(), TaskTracker::new());
        let health = HealthRegistry::with_evidence(Arc::new(unserved.clone()));
        health.watch(listener.pulses());
        let checks = checks(settings, &handling, &parts.pool, &status, unserved);
        watchers.spawn(run_checks(health.clone(), interval, checks, stop_watching.clone()));
        watchers.spawn(gauges::keep(
            Arc::clone(&stats),
            queues.clone(),
            parts.pool.clone(),
            stop_watching.clone(),
        ));
        let sources = alerts::Sources {
            letters,
            health: health.clone(),
            engine: Arc::clone(&handling.engine),
            listener: status.clone(),
        };
        alerts::start(&settings.alerts, sources, &watchers, &stop_watching);
        let operations = ServiceOperations {
            desk: Desk::new(queues).telling(handling.historian().and(handling.store.clone())),
            historian: handling.historian().cloned(),
            ward,
            pool: parts.pool,
            engine: Arc::clone(&handling.engine),
            health: health.clone(),
            stats: Arc::clone(&stats),
            listener: status.clone(),
            chain: parts.chain,
            program_id: settings.service.program_id,
        };
        let api = Api {
            operations: Arc::new(operations),
            token,
        };
        let pages = Pages {
            health,
            stats: Arc::clone(&stats),
            metrics: parts.metrics.filter(|_| settings.monitoring.enable_prometheus),
            api: Some(api),
        };
        watchers.spawn(serve(socket, pages, stop_watching.clone()));

        let stop_listening = CancellationToken::new();
        Ok(Self {
            listener: tokio::spawn(listener.run(stop_listening.clone())),
            handling,
            stats,
            status,
            address,
            state_dir,
            stop_listening,
            watchers,
            stop_watching,
        })
    }

    /// The queue between listener and handler.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.handling.queues.source
    }

    /// The dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self) -> &Arc<dyn Queue> {
        &self.handling.queues.dead_letters
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
            .wait_for(|status| status.connected && status.watermark_slot.is_some())
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
        let store = self.handling.store.clone();
        self.handling.drain().await;
        client::withdraw(&self.state_dir);
        self.stop_watching.cancel();
        self.watchers.close();
        self.watchers.wait().await;
        if let Some(store) = store {
            store.close().await;
        }
    }
}

/// What `/health` looks at, from the chain to the verified account.
fn checks(
    settings: &Settings,
    handling: &Handling,
    pool: &RpcPool,
    status: &watch::Receiver<ListenerStatus>,
    unserved: Unserved,
) -> Vec<Arc<dyn Check>> {
    let interval = settings.monitoring.health_check_interval;
    let queues = &handling.queues;
    let queue = QueueCheck::new(Arc::clone(&queues.source), Arc::clone(&queues.pulse), interval);
    vec![
        Arc::new(RpcSlot::new(pool.clone())),
        Arc::new(EventStream::new(
            status.clone(),
            Arc::clone(&queues.pulse),
            patience(interval),
            settings.listener.listing_interval,
        )),
        Arc::new(queue.with_dead_letters(Arc::clone(&queues.dead_letters), Arc::clone(&queues.dead_letters_pulse))),
        Arc::new(wallet_balance(&handling.engine, pool.clone())),
        Arc::new(QuarantineDepth(status.clone())),
        Arc::new(Accounts {
            unserved,
            queue: Arc::clone(&queues.source),
            engine: Arc::clone(&handling.engine),
            owner_program: owner_program(settings),
        }),
    ]
}

/// The program whose sessions are created: the first that is allowed.
fn owner_program(settings: &Settings) -> Pubkey {
    let allowed = settings.policy.allowed_owner_programs.first();
    allowed.copied().unwrap_or(settings.service.session_program_id)
}

fn wallet_balance(engine: &Engine, pool: RpcPool) -> WalletBalance {
    let policy = engine.policy();
    WalletBalance {
        pool,
        addresses: engine.wallets().iter().map(|wallet| wallet.address).collect(),
        low_lamports: policy.wallet_low_lamports,
        reserve_lamports: policy.wallet_reserve_lamports,
    }
}

fn joined(ended: Result<Result<(), ListenerError>, tokio::task::JoinError>) -> Result<(), ListenerError> {
    ended.map_err(|source| ListenerError::Task { task: "main", source })?
}
