//! A job by hand: the listener's way from transactions to the queue, without the listening.

use std::{sync::Arc, time::Duration};

use session_chain::RpcPool;
use session_queue::Queue;
use tokio_util::sync::CancellationToken;

use crate::{
    chain::ProgramHistory,
    config::ListenerConfig,
    covered::Covered,
    error::ListenerError,
    frontier::{Frontier, Mark},
    handlers::Dispatcher,
    intake::Intake,
    ledger::Ledger,
    lifecycle::Lifecycle,
    outlet::{Outlet, OutletTasks},
    patience::Patience,
    reading::Reader,
    reconcile::{ReconcileReport, Reconciliation},
    status::StatusBoard,
};

/// The parts that a job shares with a listener.
pub(crate) struct Errand {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    outlet: OutletTasks,
    drain_limit: Duration,
}

impl Errand {
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
        let ledger = Arc::new(Ledger::new(Frontier::new(mark)));
        let status: Arc<StatusBoard> = Arc::default();
        let (outlet, outlet_tasks) =
            Outlet::open(queue, config.unsettled_events_max, config.linger, Arc::clone(&ledger));
        let intake = Intake {
            program_id: config.program_id,
            reader,
            clock: Arc::default(),
            ledger,
            lifecycle: Lifecycle::default(),
            dispatcher: Dispatcher::default(),
            outlet,
            covered: Covered::default(),
            status: Arc::clone(&status),
        };
        Ok(Self {
            history: ProgramHistory {
                pool,
                program_id: config.program_id,
            },
            intake: Arc::new(intake),
            patience: Patience::new(status, stop),
            outlet: outlet_tasks,
            drain_limit: config.drain_limit,
        })
    }

    /// Waits until everything is sent and settled, within the drain limit. Gives the ledger back.
    pub(crate) async fn finish(self) -> Result<Arc<Ledger>, ListenerError> {
        let ledger = Arc::clone(&self.intake.ledger);
        drop(self.intake);
        self.outlet.drain(self.drain_limit).await?;
        Ok(ledger)
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
    let errand = Errand::new(config, pool, queue, Mark::default(), stop)?;
    let reconciliation = Reconciliation::new(&errand.history, &errand.intake, &errand.patience, config);
    let report = reconciliation.run(dry_run).await;
    drop(reconciliation);
    errand.finish().await?;
    Ok(report?)
}
