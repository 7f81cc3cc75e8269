//! The one place that builds the way from transactions to the queue: for the service, for a backfill, for a comparison.

use std::{sync::Arc, time::Duration};

use session_admin::Pulse;
use session_events::Decoder;
use session_queue::Queue;
use tokio::sync::Notify;

use crate::{
    checkpoint::shared::SharedWatermark,
    checkpoint::watermark::{Mark, Watermark},
    config::ListenerConfig,
    decode::reading::Reader,
    error::{ListenerError, joined},
    intake::handlers::Dispatcher,
    intake::lifecycle::Lifecycle,
    intake::queued_lately::QueuedLately,
    intake::transactions::Intake,
    publish::outlet::{Outlet, OutletTasks},
    quarantine::{item::Scope, keeper::Keeping, place::Quarantine},
    status::{StatusBoard, Watched},
};

/// In what those who build one differ.
pub(crate) struct Parts {
    pub(crate) decoder: Decoder,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) quarantine: Quarantine,
    pub(crate) scope: Scope,
    /// Everything up to here is settled.
    pub(crate) mark: Mark,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) status: Arc<StatusBoard>,
    /// Shows that publishing makes progress, where anybody looks.
    pub(crate) pulse: Option<Pulse>,
}

/// The way from transactions to the queue, and into quarantine.
pub(crate) struct Pipeline {
    pub(crate) intake: Arc<Intake>,
    pub(crate) drains: Drains,
}

/// What ends once nobody is left who takes anything in, and all of it is settled.
pub(crate) struct Drains {
    outlet: OutletTasks,
    keeping: Keeping,
    limit: Duration,
}

impl Pipeline {
    /// Opens it.
    pub(crate) fn open(config: &ListenerConfig, parts: Parts) -> Self {
        let Parts {
            decoder,
            queue,
            quarantine,
            scope,
            mark,
            dispatcher,
            status,
            pulse,
        } = parts;
        let (parking, keeping) = Keeping::start(quarantine, scope);
        let watched = Watched {
            status: Arc::clone(&status),
            pulse,
        };
        let (unsettled_max, linger) = (config.unsettled_events_max, config.linger);
        let (outlet, outlet_tasks) = Outlet::open(queue, unsettled_max, linger, parking.clone(), watched);
        let intake = Intake {
            program_id: config.program_id,
            reader: Reader::new(decoder, &config.program_id).naming_requesters(config.look_up_requesters),
            clock: Arc::default(),
            watermark: Arc::new(SharedWatermark::new(Watermark::new(mark))),
            lifecycle: Lifecycle::default(),
            dispatcher,
            outlet,
            queued_lately: QueuedLately::default(),
            comparison: Notify::new(),
            status,
            parking,
        };
        Self {
            intake: Arc::new(intake),
            drains: Drains {
                outlet: outlet_tasks,
                keeping,
                limit: config.drain_limit,
            },
        }
    }
}

impl Drains {
    /// Waits until everything is sent, settled and saved, each for as long as the drain limit allows.
    ///
    /// # Errors
    /// [`ListenerError::Task`].
    pub(crate) async fn drain(self) -> Result<(), ListenerError> {
        let sent = self.outlet.drain(self.limit).await;
        let kept = joined("quarantine", self.keeping.drain(self.limit).await);
        sent.and(kept)
    }
}
