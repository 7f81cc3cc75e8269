//! A job by hand: the listener's way from transactions to the queue, without the listening.

use std::sync::Arc;

use session_chain::RpcPool;
use session_queue::Queue;
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::{shared::SharedWatermark, watermark::Mark},
    config::ListenerConfig,
    error::{ListenerError, ReconcileError},
    intake::{handlers::Dispatcher, transactions::Intake},
    lasting::Lasting,
    listener::bootstrap,
    listener::pipeline::{Drains, Parts, Pipeline},
    patience::Patience,
    quarantine::{item::Scope, place::Quarantine},
    reconcile::{
        comparison::Reconciliation,
        report::{ReconcileReport, ReconcileRequest},
    },
    source::rpc::ProgramHistory,
    status::StatusBoard,
};

/// The parts that a job shares with a listener.
pub(crate) struct Job {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) genesis_hash: String,
    drains: Drains,
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
        let parts = Parts {
            decoder: config.decoder()?,
            queue,
            quarantine,
            scope: Scope {
                program_id: config.program_id,
                genesis_hash: genesis_hash.clone(),
            },
            mark: Mark::default(),
            dispatcher: Dispatcher::default(),
            status,
            pulse: None,
        };
        let Pipeline { intake, drains } = Pipeline::open(config, parts);
        Ok(Some(Self {
            history,
            intake,
            patience,
            genesis_hash,
            drains,
        }))
    }

    /// Waits until everything is sent and settled, within the drain limit. Gives the watermark back.
    pub(crate) async fn finish(self) -> Result<Arc<SharedWatermark>, ListenerError> {
        let watermark = Arc::clone(&self.intake.watermark);
        drop(self.intake);
        self.drains.drain().await.map(|()| watermark)
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
