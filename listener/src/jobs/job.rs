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
    error::{ListenerError, ReconcileError, joined},
    intake::handlers::Dispatcher,
    intake::lifecycle::Lifecycle,
    intake::queued_lately::QueuedLately,
    intake::transactions::Intake,
    lasting::Lasting,
    listener::bootstrap,
    patience::Patience,
    publish::outlet::{Outlet, OutletTasks},
    quarantine::{item::Scope, keeper::Keeping, place::Quarantine},
    reconcile::{
        comparison::Reconciliation,
        report::{ReconcileReport, ReconcileRequest},
    },
    source::rpc::ProgramHistory,
    status::{StatusBoard, Watched},
};

/// The parts that a job shares with a listener.
pub(crate) struct Job {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) genesis_hash: String,
    outlet: OutletTasks,
    keeping: Keeping,
    drain_limit: Duration,
}

impl Job {
    /// Everything after the beginning is to be done. `None` if told to stop before the cluster is known.
    pub(crate) async fn open(
        config: &ListenerConfig,
        pool: RpcPool,
        queue: Arc<dyn Queue>,
        quarantine: Quarantine,
        stop: CancellationToken,
    ) -> Result<Option<Self>, ListenerError> {
        config.check()?;
        let status: Arc<StatusBoard> = Arc::default();
        let history = ProgramHistory::new(pool, config.program_id);
        let patience = Patience::new(Arc::clone(&status), stop);
        let Some(genesis_hash) = bootstrap::cluster(&history, &patience).await? else {
            return Ok(None);
        };
        let scope = Scope {
            program_id: config.program_id,
            genesis_hash: genesis_hash.clone(),
        };
        let reader = Reader::new(config.decoder()?, &config.program_id).naming_requesters(config.look_up_requesters);
        let watermark = Arc::new(SharedWatermark::new(Watermark::new(Mark::default())));
        let (parking, keeping) = Keeping::start(quarantine, scope);
        let (outlet, outlet_tasks) = Outlet::open(
            queue,
            config.unsettled_events_max,
            config.linger,
            parking.clone(),
            Watched {
                status: Arc::clone(&status),
                pulse: None,
            },
        );
        let intake = Intake {
            program_id: config.program_id,
            reader,
            clock: Arc::default(),
            watermark,
            lifecycle: Lifecycle::default(),
            dispatcher: Dispatcher::default(),
            outlet,
            queued_lately: QueuedLately::default(),
            status,
            parking,
        };
        Ok(Some(Self {
            history,
            genesis_hash,
            intake: Arc::new(intake),
            patience,
            outlet: outlet_tasks,
            keeping,
            drain_limit: config.drain_limit,
        }))
    }

    /// Waits until everything is sent and settled, within the drain limit. Gives the watermark back.
    pub(crate) async fn finish(self) -> Result<Arc<SharedWatermark>, ListenerError> {
        let watermark = Arc::clone(&self.intake.watermark);
        drop(self.intake);
        let sent = self.outlet.drain(self.drain_limit).await;
        let kept = joined("quarantine", self.keeping.drain(self.drain_limit).await);
        sent.and(kept).map(|()| watermark)
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
    lasting: &Lasting,
    request: ReconcileRequest,
    stop: CancellationToken,
) -> Result<ReconcileReport, ListenerError> {
    let Some(job) = Job::open(config, pool, queue, lasting.quarantine.clone(), stop).await? else {
        return Err(ReconcileError::Stopped.into());
    };
    let Job {
        history,
        intake,
        patience,
        ..
    } = &job;
    let reconciliation = Reconciliation::new(history, intake, patience, config, &lasting.served);
    let report = reconciliation.run(request).await;
    drop(reconciliation);
    job.finish().await?;
    Ok(report?)
}

#[cfg(test)]
mod tests;
