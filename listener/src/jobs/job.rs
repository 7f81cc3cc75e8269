//! A job by hand: the listener's way from transactions to the queue, without the listening.

use std::{sync::Arc, time::Duration};

use session_chain::RpcPool;
use session_queue::Queue;
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::shared::SharedWatermark,
    checkpoint::watermark::{Mark, Watermark},
    config::ListenerConfig,
    decode::reading::Reader,
    error::ListenerError,
    intake::handlers::Dispatcher,
    intake::lifecycle::Lifecycle,
    intake::queued_lately::QueuedLately,
    intake::transactions::Intake,
    patience::Patience,
    publish::outlet::{Outlet, OutletTasks},
    reconcile::comparison::{ReconcileReport, Reconciliation},
    source::rpc::ProgramHistory,
    status::StatusBoard,
};

/// The parts that a job shares with a listener.
pub(crate) struct Job {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    outlet: OutletTasks,
    drain_limit: Duration,
}

impl Job {
    /// Everything after `mark` is to be done.
    pub(crate) fn new(
        config: &ListenerConfig,
        pool: RpcPool,
        queue: Arc<dyn Queue>,
        mark: Mark,
        stop: CancellationToken,
    ) -> Result<Self, ListenerError> {
        config.check()?;
        let reader = Reader::new(config.decoder()?, &config.program_id);
        let watermark = Arc::new(SharedWatermark::new(Watermark::new(mark)));
        let status: Arc<StatusBoard> = Arc::default();
        let (outlet, outlet_tasks) = Outlet::open(queue, config.unsettled_events_max, config.linger);
        let intake = Intake {
            program_id: config.program_id,
            reader,
            clock: Arc::default(),
            watermark,
            lifecycle: Lifecycle::default(),
            dispatcher: Dispatcher::default(),
            outlet,
            queued_lately: QueuedLately::default(),
            status: Arc::clone(&status),
        };
        Ok(Self {
            history: ProgramHistory::new(pool, config.program_id),
            intake: Arc::new(intake),
            patience: Patience::new(status, stop),
            outlet: outlet_tasks,
            drain_limit: config.drain_limit,
        })
    }

    /// Waits until everything is sent and settled, within the drain limit. Gives the watermark back.
    pub(crate) async fn finish(self) -> Result<Arc<SharedWatermark>, ListenerError> {
        let watermark = Arc::clone(&self.intake.watermark);
        drop(self.intake);
        self.outlet.drain(self.drain_limit).await?;
        Ok(watermark)
    }
}

/// Compares the factory's accounts with the sessions that exist, once, and queues what nobody has served unless it is a
/// dry run. What a listener has under way is not known here: requests younger than the configured age are left alone.
///
/// # Errors
/// [`ListenerError::Reconcile`]; nothing or only a part is queued then, and it can be run again.
pub async fn reconcile(
    config: &ListenerConfig,
    pool: RpcPool,
    queue: Arc<dyn Queue>,
    dry_run: bool,
    stop: CancellationToken,
) -> Result<ReconcileReport, ListenerError> {
    let job = Job::new(config, pool, queue, Mark::default(), stop)?;
    let reconciliation = Reconciliation::new(&job.history, &job.intake, &job.patience, config);
    let report = reconciliation.run(dry_run).await;
    drop(reconciliation);
    job.finish().await?;
    Ok(report?)
}
