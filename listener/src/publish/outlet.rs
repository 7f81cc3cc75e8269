//! The way out: a bounded outbox, the publisher that empties it, and the settlement of what was published.

use std::{sync::Arc, time::Duration};

use session_queue::Queue;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{ListenerError, join_all},
    publish::acknowledgement::settle_all,
    publish::outgoing::Outgoing,
    publish::publisher::Publisher,
    quarantine::keeper::Parking,
    status::Watched,
};

/// Where messages are put in.
#[derive(Clone)]
pub(crate) struct Outlet {
    /// Has room for every event that may be unsettled.
    pub(crate) outbox: mpsc::Sender<Outgoing>,
    /// One for each event that may be unsettled.
    pub(crate) room: Arc<Semaphore>,
}

/// What ends once every [`Outlet`] is dropped and all messages are sent and settled.
pub(crate) struct OutletTasks {
    tasks: Vec<(&'static str, JoinHandle<()>)>,
    abort: CancellationToken,
}

impl Outlet {
    /// Opens a way to the queue for at most `unsettled_max` events at a time.
    pub(crate) fn open(
        queue: Arc<dyn Queue>,
        unsettled_max: usize,
        linger: Duration,
        parking: Parking,
        watched: Watched,
    ) -> (Self, OutletTasks) {
        let (outbox, outgoing) = mpsc::channel(unsettled_max);
        let (sent, sent_messages) = mpsc::channel(unsettled_max);
        let abort = CancellationToken::new();
        let publisher = Publisher {
            queue,
            outbox: outgoing,
            sent,
            linger,
            parking,
            watched,
            abort: abort.clone(),
        };
        let tasks = vec![
            ("publishing", tokio::spawn(publisher.run())),
            ("settlement", tokio::spawn(settle_all(sent_messages, abort.clone()))),
        ];
        (
            Self {
                outbox,
                room: Arc::new(Semaphore::new(unsettled_max)),
            },
            OutletTasks { tasks, abort },
        )
    }
}

impl OutletTasks {
    /// Waits for the tasks' end, and makes them end after `limit`.
    pub(crate) async fn drain(mut self, limit: Duration) -> Result<(), ListenerError> {
        if let Ok(drained) = timeout(limit, join_all(&mut self.tasks)).await {
            return drained;
        }
        tracing::warn!(?limit, "not everything was settled in time; a restart repeats it");
        self.abort.cancel();
        join_all(&mut self.tasks).await
    }
}
