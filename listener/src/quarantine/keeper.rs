//! Saves what is parked, and only then lets the watermark pass it: in a task of its own, so that a place that does not
//! answer stops neither the listing nor the notifications.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use session_telemetry::names;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::settles::Settles,
    patience::pauses,
    quarantine::{
        item::{QuarantineItem, Scope},
        place::{Admitted, Quarantine},
    },
};

/// Items on their way into quarantine. More are waited for: by then the place has not answered for long.
const PARKED_MAX: usize = 256;

/// Something to be put into quarantine, and what may be passed once it is there.
struct Parked {
    item: QuarantineItem,
    settles: Settles,
}

/// The way into quarantine. Clones share it; the keeper ends when all of them are gone.
#[derive(Debug, Clone)]
pub(crate) struct Parking {
    /// Whose items it takes.
    pub(crate) scope: Arc<Scope>,
    parked: mpsc::Sender<Parked>,
}

impl Parking {
    /// Hands an item over. `settles` is settled once the item is saved, and stays unsettled where the process ends before.
    pub(crate) async fn park(&self, item: QuarantineItem, settles: Settles) {
        // The keeper ends after everybody who parks, except in an abort: then nothing is settled.
        let _ = self.parked.send(Parked { item, settles }).await;
    }
}

/// The running task.
pub(crate) struct Keeping {
    task: JoinHandle<()>,
    abort: CancellationToken,
}

impl Keeping {
    /// Opens the way into quarantine.
    pub(crate) fn start(quarantine: Quarantine, scope: Scope) -> (Parking, Self) {
        let (parked, waiting) = mpsc::channel(PARKED_MAX);
        let abort = CancellationToken::new();
        let aborted = abort.clone();
        let task = tokio::spawn(async move {
            aborted.run_until_cancelled(keep_all(waiting, &quarantine)).await;
        });
        let scope = Arc::new(scope);
        (Parking { scope, parked }, Self { task, abort })
    }

    /// Waits until everything that was parked is saved, and makes the task end after `limit`.
    ///
    /// # Errors
    /// The task's panic.
    pub(crate) async fn drain(mut self, limit: Duration) -> Result<(), tokio::task::JoinError> {
        if let Ok(ended) = timeout(limit, &mut self.task).await {
            return ended;
        }
        tracing::warn!(
            ?limit,
            "the quarantine was not saved in time; a restart finds the same again"
        );
        self.abort.cancel();
        self.task.await
    }
}

async fn keep_all(mut waiting: mpsc::Receiver<Parked>, quarantine: &Quarantine) {
    while let Some(Parked { item, settles }) = waiting.recv().await {
        keep(quarantine, item).await;
        settles.settle();
    }
}

/// Saves until it is saved.
async fn keep(quarantine: &Quarantine, item: QuarantineItem) {
    let (id, reason) = (item.id.clone(), item.reason);
    for pause in pauses() {
        match quarantine.admit(item.clone()).await {
            Ok(Admitted::Kept) => {
                counter!(names::LISTENER_QUARANTINED_TOTAL, "reason" => reason.code()).increment(1);
                tracing::error!(id, %reason, detail = item.detail, "put into quarantine; the rest goes on");
                return;
            }
            Ok(Admitted::NoRoom) => {
                counter!(names::LISTENER_QUARANTINE_REFUSED_TOTAL).increment(1);
                tracing::error!(id, %reason, detail = item.detail, "the quarantine is full: only this line tells of it");
                return;
            }
            Err(error) => {
                counter!(names::LISTENER_QUARANTINE_SAVE_FAILURES_TOTAL).increment(1);
                tracing::error!(%error, id, %reason, "not saved in quarantine; the watermark waits before it");
            }
        }
        tokio::time::sleep(pause).await;
    }
}
