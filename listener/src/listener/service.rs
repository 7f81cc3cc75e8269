//! A listener: its tasks, and the order in which they start and end.

use std::{sync::Arc, time::Duration};

use session_admin::Pulses;
use session_chain::RpcPool;
use session_events::Decoder;
use session_queue::Queue;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::saved::SavedWatermark,
    checkpoint::saver::Saver,
    checkpoint::watermark::Mark,
    config::ListenerConfig,
    error::{ListenerError, join_all, joined},
    intake::handlers::{Dispatcher, EventHandler},
    lasting::Lasting,
    listener::{
        bootstrap,
        pipeline::{Drains, Parts, Pipeline},
        readers::Readers,
        tenure::Tenure,
    },
    patience::Patience,
    quarantine::item::Scope,
    source::{bucket::Bucket, rpc::ProgramHistory},
    status::{ListenerStatus, StatusBoard},
};

/// Listens to one `session_factory`, and puts what it asks for into a queue.
pub struct Listener {
    pub(super) config: ListenerConfig,
    decoder: Decoder,
    pub(super) history: ProgramHistory,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) lasting: Lasting,
    handlers: Vec<Arc<dyn EventHandler>>,
    status: Arc<StatusBoard>,
    pub(super) pulses: Pulses,
}

impl Listener {
    /// A listener that does nothing yet.
    ///
    /// # Errors
    /// [`ListenerError::Setting`], [`ListenerError::Idl`].
    pub fn new(
        config: ListenerConfig,
        pool: RpcPool,
        queue: Arc<dyn Queue>,
        lasting: Lasting,
        handlers: Vec<Arc<dyn EventHandler>>,
    ) -> Result<Self, ListenerError> {
        config.check()?;
        let decoder = config.decoder()?;
        let status = Arc::new(StatusBoard::new(config.age_limits));
        let history = ProgramHistory::new(pool, config.program_id);
        Ok(Self {
            config,
            decoder,
            history,
            queue,
            lasting,
            handlers,
            status,
            pulses: Pulses::default(),
        })
    }

    /// Whether its tasks make progress, from now on. What it depends on may do what it likes.
    #[must_use]
    pub fn pulses(&self) -> Pulses {
        self.pulses.clone()
    }

    /// What the listener says about itself, from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ListenerStatus> {
        self.status.watch()
    }

    /// Listens until told to stop. Then nothing more is read, and what was read is sent and settled, for as long as the
    /// drain limit allows.
    ///
    /// # Errors
    /// [`ListenerError::Cluster`] and [`ListenerError::Watermark`] at the start, [`ListenerError::Task`] at the end.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ListenerError> {
        let patience = Patience::new(Arc::clone(&self.status), stop.clone());
        let Some(genesis_hash) = bootstrap::cluster(&self.history, &patience).await? else {
            return Ok(());
        };
        loop {
            let Some(tenure) = self.tenure(&genesis_hash, &patience, &stop).await else {
                return Ok(());
            };
            let listened = self.listen(&genesis_hash, &tenure.stop).await;
            let lost = tenure
                .end()
                .await
                .map_err(|source| ListenerError::Task { task: "lease", source });
            listened?;
            if !lost? || stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Stands by until it is this listener's turn; `None` if told to stop before.
    async fn tenure(&self, genesis_hash: &str, patience: &Patience, stop: &CancellationToken) -> Option<Tenure> {
        let Self {
            config, lasting, queue, ..
        } = self;
        let lease = |lasts| {
            lasting
                .watermarks
                .lease(queue.name(), &config.program_id, genesis_hash, lasts)
        };
        Tenure::begin(config.lease.and_then(lease), &self.status, patience, stop).await
    }

    /// Listens from the saved watermark on, until told to stop.
    async fn listen(&self, genesis_hash: &str, stop: &CancellationToken) -> Result<(), ListenerError> {
        // A reader that ends, for whatever reason, ends the others, too: nobody may be listening with one ear.
        let stop = stop.child_token();
        let patience = Patience::new(Arc::clone(&self.status), stop.clone());
        let mut saved = self
            .lasting
            .watermarks
            .of(self.queue.name(), &self.config.program_id, genesis_hash);
        let mark = bootstrap::mark(&self.history, &patience, &mut saved, self.config.start_at).await?;
        let Some(mark) = mark else { return Ok(()) };
        self.status.watermark(mark.slot);
        self.status.started();
        let scope = Scope {
            program_id: self.config.program_id,
            genesis_hash: genesis_hash.to_owned(),
        };
        Running::start(self, saved, mark, scope, &patience, &stop)
            .finish(&stop)
            .await
    }
}

/// The tasks of a listener.
struct Running {
    /// They end when told to stop.
    readers: Vec<(&'static str, JoinHandle<()>)>,
    /// They end when the readers have ended and their backlogs are empty.
    handlers: Vec<(&'static str, JoinHandle<()>)>,
    /// They end when the readers have ended and all is sent, settled and saved.
    drains: Drains,
    /// It ends when it is told that all is settled that will be.
    saver: JoinHandle<()>,
    settled: CancellationToken,
    drain_limit: Duration,
}

impl Running {
    fn start(
        listener: &Listener,
        saved: SavedWatermark,
        mark: Mark,
        scope: Scope,
        patience: &Patience,
        stop: &CancellationToken,
    ) -> Self {
        let Listener {
            config,
            decoder,
            queue,
            handlers,
            status,
            lasting,
            pulses,
            ..
        } = listener;
        let pulse = |task| pulses.task(task, config.hung_after);
        let (dispatcher, handlers) = Dispatcher::start(handlers, config.handler_limits());
        let parts = Parts {
            decoder: decoder.clone(),
            queue: Arc::clone(queue),
            quarantine: lasting.quarantine.clone(),
            scope,
            mark,
            dispatcher,
            status: Arc::clone(status),
            pulse: Some(pulse("publishing")),
        };
        let Pipeline { intake, drains } = Pipeline::open(config, parts);
        let settled = CancellationToken::new();
        let saver = Saver {
            place: saved,
            saved: mark,
            watermark: Arc::clone(&intake.watermark),
            status: Arc::clone(status),
            interval: config.watermark_interval,
            pulse: pulse("saving"),
        };
        let readers = Readers {
            listener,
            intake: &intake,
            bucket: Arc::new(Bucket::new(config.truncated_fetches_per_hour)),
            patience,
            stop,
        };
        Self {
            readers: readers.start(),
            handlers: handlers.into_iter().map(|task| ("handler", task)).collect(),
            drains,
            saver: tokio::spawn(saver.run(settled.clone())),
            settled,
            drain_limit: config.drain_limit,
        }
    }

    /// Waits until told to stop, then ends all tasks in their order.
    async fn finish(mut self, stop: &CancellationToken) -> Result<(), ListenerError> {
        stop.cancelled().await;
        let read = join_all(&mut self.readers).await;
        // What custom handlers do is no reason to save the watermark later.
        let save = async {
            let drained = self.drains.drain().await;
            self.settled.cancel();
            drained.and(joined("saving", self.saver.await))
        };
        let (saved, handled) = tokio::join!(save, drain_handlers(self.handlers, self.drain_limit));
        read.and(saved).and(handled)
    }
}

/// Gives custom handlers the same time as the queue, and no more.
async fn drain_handlers(mut tasks: Vec<(&'static str, JoinHandle<()>)>, limit: Duration) -> Result<(), ListenerError> {
    if let Ok(handled) = timeout(limit, join_all(&mut tasks)).await {
        return handled;
    }
    tracing::warn!(?limit, "custom handlers have not handled everything in time");
    for (_, task) in &tasks {
        task.abort();
    }
    Ok(())
}
