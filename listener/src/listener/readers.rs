//! Everything that finds transactions, each reader in a task of its own. One that ends, for whatever reason, ends all.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use session_admin::Pulse;
use session_message::Origin;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::service::Listener;
use crate::{
    intake::transactions::Intake,
    patience::Patience,
    quarantine::retrier::Retrier,
    reconcile::comparison::Reconciliation,
    source::{
        bucket::Bucket,
        fast_path::FastPath,
        fetcher::Fetcher,
        gap::Gap,
        owing::Owing,
        poller::Poller,
        rhythm::Rhythm,
        rpc_walk::RpcSource,
        second_look::AskAgain,
        subscription::Subscription,
        truncated::{CutLogs, Postponing, TruncatedFetches},
    },
};

/// Tasks by their names.
type Tasks = Vec<(&'static str, JoinHandle<()>)>;

/// What all readers stand on.
pub(super) struct Readers<'listener> {
    pub(super) listener: &'listener Listener,
    pub(super) intake: &'listener Arc<Intake>,
    pub(super) bucket: Arc<Bucket>,
    pub(super) patience: &'listener Patience,
    pub(super) stop: &'listener CancellationToken,
}

impl Readers<'_> {
    /// Starts them.
    pub(super) fn start(self) -> Tasks {
        let (gap, owing) = (Arc::<Gap>::default(), Arc::<Owing>::default());
        let mut tasks = self.stream(&gap, &owing);
        tasks.push(self.spawn("listing", self.poller(gap, owing).run()));
        if let Some(interval) = self.listener.config.reconcile.interval {
            tasks.push(self.comparison(interval));
        }
        tasks.push(self.spawn("quarantine", self.retrier().run()));
        tasks
    }

    /// The live stream, and whatever takes what comes of it.
    fn stream(&self, gap: &Arc<Gap>, owing: &Arc<Owing>) -> Tasks {
        let Listener { config, history, .. } = self.listener;
        let (notifications, notified) = mpsc::channel(config.notifications_max);
        let (truncated, waiting, postponed) =
            CutLogs::new(config.truncated_waiting_max, config.reconcile.interval.is_some());
        let live = Subscription {
            pool: history.pool.clone(),
            program_id: config.program_id,
            silence_limit: config.silence_limit,
            connect_timeout: config.connect_timeout,
            notifications,
            clock: Arc::clone(&self.intake.clock),
            heard: Arc::clone(&history.heard),
            status: Arc::clone(&self.intake.status),
            gap: Arc::clone(gap),
            owing: Arc::clone(owing),
            pulse: self.pulse("subscription"),
            stop: self.stop.clone(),
        };
        let fast_path = FastPath {
            history: history.clone(),
            intake: Arc::clone(self.intake),
            notifications: notified,
            unlisted_max: config.unlisted_max,
            truncated,
            gap: Arc::clone(gap),
            pulse: self.pulse("notification"),
        };
        let truncated_fetches = TruncatedFetches {
            fetcher: self.fetcher(self.patience.clone(), Origin::Live, None),
            waiting,
            bucket: Arc::clone(&self.bucket),
            gap: Arc::clone(gap),
        };
        let postponing = Postponing {
            intake: Arc::clone(self.intake),
            postponed,
            patience: self.patience.clone(),
        };
        vec![
            self.spawn("subscription", live.run()),
            self.spawn("notification", fast_path.run()),
            self.spawn("fetching", truncated_fetches.run()),
            self.spawn("postponing", postponing.run()),
        ]
    }

    /// The listing, which alone says that nothing is missing.
    fn poller(&self, gap: Arc<Gap>, owing: Arc<Owing>) -> Poller<RpcSource> {
        let Listener { config, history, .. } = self.listener;
        Poller {
            source: RpcSource::new(history, config.listing_margin_slots, config.comparison_interval),
            feed: self.fetcher(self.patience.of(self.pulse("listing")), Origin::Fill, Some(owing)),
            interval: config.listing_interval,
            began: None,
            rhythm: Rhythm::new(config.listing_interval_complete.max(config.listing_interval)),
            status: self.intake.status.watch(),
            gap,
            subscription_grace: config.connect_timeout,
        }
    }

    /// Account state, now and then: the second source of what was requested.
    fn comparison(&self, interval: Duration) -> (&'static str, JoinHandle<()>) {
        let Listener {
            config,
            history,
            lasting,
            ..
        } = self.listener;
        let reconciliation = Reconciliation::new(history, self.intake, self.patience, config, &lasting.served);
        self.spawn("comparison", reconciliation.run_every(interval))
    }

    /// What tries again what is in quarantine.
    fn retrier(&self) -> Retrier {
        let Listener {
            history,
            lasting,
            queue,
            ..
        } = self.listener;
        Retrier {
            quarantine: lasting.quarantine.clone(),
            scope: Arc::clone(&self.intake.parking.scope),
            patience: self.patience.clone(),
            status: Arc::clone(&self.intake.status),
            second_look: Arc::new(AskAgain {
                history: history.clone(),
                intake: Arc::clone(self.intake),
                patience: self.patience.clone(),
                queue: Arc::clone(queue),
                bucket: Arc::clone(&self.bucket),
                turn: Arc::default(),
            }),
        }
    }

    fn fetcher(&self, patience: Patience, origin: Origin, owing: Option<Arc<Owing>>) -> Fetcher {
        Fetcher {
            history: self.listener.history.clone(),
            intake: Arc::clone(self.intake),
            patience,
            fetch_concurrency: self.listener.config.fetch_concurrency,
            origin,
            owing,
            found: AtomicU64::default(),
        }
    }

    fn pulse(&self, task: &'static str) -> Pulse {
        self.listener.pulses.task(task, self.listener.config.hung_after)
    }

    /// A task that tells all to stop when it ends or panics.
    fn spawn(
        &self,
        name: &'static str,
        reader: impl Future<Output = ()> + Send + 'static,
    ) -> (&'static str, JoinHandle<()>) {
        let end_of_all = self.stop.clone().drop_guard();
        let task = tokio::spawn(async move {
            reader.await;
            drop(end_of_all);
        });
        (name, task)
    }
}
