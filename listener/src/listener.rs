//! A listener: its tasks, and the order in which they start and end.

use std::{sync::Arc, time::Duration};

use session_chain::RpcPool;
use session_events::Decoder;
use session_queue::Queue;
use tokio::{
    sync::{Notify, Semaphore, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::ProgramHistory,
    config::ListenerConfig,
    cursor::{CursorStore, SavedCursor},
    error::ListenerError,
    fast_path::FastPath,
    frontier::{Frontier, Mark},
    handlers::{Dispatcher, EventHandler},
    intake::Intake,
    ledger::Ledger,
    lifecycle::Lifecycle,
    live::Live,
    patience::Patience,
    publisher::Publisher,
    reading::Reader,
    saver::Saver,
    settlement::settle_all,
    slot_clock::SlotClock,
    start,
    status::{ListenerStatus, StatusBoard},
    sweep::Sweeper,
};

/// Fewer unsettled events than one transaction can have would stop the listener for good.
const UNSETTLED_EVENTS_MIN: usize = 100;
/// "At most 50 ms" (the longest that a message may wait for others).
const LINGER_MAX: Duration = Duration::from_millis(50);

/// Listens to one `session_factory`, and puts what it asks for into a queue.
pub struct Listener {
    config: ListenerConfig,
    decoder: Decoder,
    history: ProgramHistory,
    queue: Arc<dyn Queue>,
    cursors: CursorStore,
    handlers: Vec<Arc<dyn EventHandler>>,
    status: Arc<StatusBoard>,
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
        cursors: CursorStore,
        handlers: Vec<Arc<dyn EventHandler>>,
    ) -> Result<Self, ListenerError> {
        check(&config)?;
        let decoder = match &config.idl {
            Some(idl) => Decoder::with_idl(&config.program_id, idl)?,
            None => Decoder::new(&config.program_id),
        };
        let history = ProgramHistory {
            pool,
            program_id: config.program_id,
        };
        Ok(Self {
            config,
            decoder,
            history,
            queue,
            cursors,
            handlers,
            status: Arc::default(),
        })
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
    /// [`ListenerError::Cluster`] and [`ListenerError::Cursor`] at the start, [`ListenerError::Task`] at the end.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ListenerError> {
        let patience = Patience::new(Arc::clone(&self.status), stop.clone());
        let Some(genesis_hash) = start::cluster(&self.history, &patience).await? else {
            return Ok(());
        };
        let mut cursor = self.cursors.of(&self.config.program_id, &genesis_hash);
        let mark = start::mark(&self.history, &patience, &mut cursor, self.config.start_at).await?;
        let Some(mark) = mark else { return Ok(()) };
        self.status.cursor(mark.slot);
        Running::start(self, cursor, mark, patience, &stop).finish(&stop).await
    }
}

/// The tasks of a listener, in the order in which they end.
struct Running {
    /// They end when told to stop.
    readers: Vec<(&'static str, JoinHandle<()>)>,
    /// They end when the readers have ended and all is sent and settled.
    drains: Vec<(&'static str, JoinHandle<()>)>,
    /// It ends when it is told that the drains have ended.
    saver: JoinHandle<()>,
    settled: CancellationToken,
    abort: CancellationToken,
    drain_limit: Duration,
}

impl Running {
    fn start(
        listener: Listener,
        cursor: SavedCursor,
        mark: Mark,
        patience: Patience,
        stop: &CancellationToken,
    ) -> Self {
        let Listener {
            config,
            decoder,
            history,
            queue,
            handlers,
            status,
            ..
        } = listener;
        let ledger = Arc::new(Ledger::new(Frontier::new(mark)));
        let clock = Arc::new(SlotClock::default());
        let gap = Arc::new(Notify::new());
        let abort = CancellationToken::new();
        let settled = CancellationToken::new();
        let (outbox, outgoing) = mpsc::channel(config.unsettled_events_max);
        let (sent, sent_messages) = mpsc::channel(config.unsettled_events_max);
        let (notifications, notified) = mpsc::channel(config.notifications_max);
        let (dispatcher, handler_tasks) = Dispatcher::start(&handlers, config.handler_backlog_max);
        let intake = Arc::new(Intake {
            program_id: config.program_id,
            reader: Reader::new(decoder, &config.program_id),
            clock: Arc::clone(&clock),
            ledger: Arc::clone(&ledger),
            lifecycle: Lifecycle::default(),
            dispatcher,
            outbox,
            room: Arc::new(Semaphore::new(config.unsettled_events_max)),
            status: Arc::clone(&status),
        });
        let live = Live {
            pool: history.pool.clone(),
            program_id: config.program_id,
            silence_limit: config.silence_limit,
            connect_timeout: config.connect_timeout,
            notifications,
            clock,
            status: Arc::clone(&status),
            gap: Arc::clone(&gap),
            stop: stop.clone(),
        };
        let fast_path = FastPath {
            intake: Arc::clone(&intake),
            notifications: notified,
            unlisted_max: config.notifications_max,
            gap: Arc::clone(&gap),
        };
        let sweeper = Sweeper {
            history,
            intake,
            patience,
            interval: config.listing_interval,
            margin_slots: config.listing_margin_slots,
            fetch_concurrency: config.fetch_concurrency,
            gap,
            subscription_grace: config.connect_timeout,
        };
        let publisher = Publisher {
            queue,
            outbox: outgoing,
            sent,
            linger: config.linger,
            abort: abort.clone(),
        };
        let saver = Saver {
            cursor,
            saved: mark,
            ledger: Arc::clone(&ledger),
            status,
            interval: config.cursor_interval,
        };
        let readers = vec![
            ("subscription", tokio::spawn(live.run())),
            ("notification", tokio::spawn(fast_path.run())),
            ("listing", tokio::spawn(sweeper.run())),
        ];
        let mut drains = vec![
            ("publishing", tokio::spawn(publisher.run())),
            (
                "settlement",
                tokio::spawn(settle_all(sent_messages, ledger, abort.clone())),
            ),
        ];
        drains.extend(handler_tasks.into_iter().map(|task| ("handler", task)));
        let saver = tokio::spawn(saver.run(settled.clone()));
        Self {
            readers,
            drains,
            saver,
            settled,
            abort,
            drain_limit: config.drain_limit,
        }
    }

    /// Waits until told to stop or until a task fails, then ends all tasks.
    async fn finish(mut self, stop: &CancellationToken) -> Result<(), ListenerError> {
        stop.cancelled().await;
        let mut outcome = join_all(&mut self.readers).await;
        match timeout(self.drain_limit, join_all(&mut self.drains)).await {
            Ok(drained) => outcome = outcome.and(drained),
            Err(_) => {
                tracing::warn!(limit = ?self.drain_limit, "not everything was settled in time; a restart repeats it");
                self.abort.cancel();
                outcome = outcome.and(join_all(&mut self.drains).await);
            }
        }
        self.settled.cancel();
        outcome.and(joined("saving", self.saver.await))
    }
}

async fn join_all(tasks: &mut Vec<(&'static str, JoinHandle<()>)>) -> Result<(), ListenerError> {
    let mut outcome = Ok(());
    while let Some((name, task)) = tasks.last_mut() {
        let result = joined(name, task.await);
        outcome = outcome.and(result);
        tasks.pop();
    }
    outcome
}

fn joined(task: &'static str, result: Result<(), tokio::task::JoinError>) -> Result<(), ListenerError> {
    result.map_err(|source| ListenerError::Task { task, source })
}

fn check(config: &ListenerConfig) -> Result<(), ListenerError> {
    let refuse = |setting, value: String, expected| {
        Err(ListenerError::Setting {
            setting,
            value,
            expected,
        })
    };
    if config.unsettled_events_max < UNSETTLED_EVENTS_MIN {
        return refuse(
            "unsettled_events_max",
            config.unsettled_events_max.to_string(),
            "at least 100",
        );
    }
    if config.linger > LINGER_MAX {
        return refuse("linger", format!("{:?}", config.linger), "at most 50 ms");
    }
    if config.notifications_max == 0 || config.fetch_concurrency == 0 || config.handler_backlog_max == 0 {
        return refuse(
            "notifications_max, fetch_concurrency or handler_backlog_max",
            "0".to_owned(),
            "at least 1",
        );
    }
    if config.listing_interval.is_zero() || config.cursor_interval.is_zero() {
        return refuse("listing_interval or cursor_interval", "0".to_owned(), "more than 0");
    }
    Ok(())
}
