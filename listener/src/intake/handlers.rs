//! Custom handlers: code of the service's users that is given events, and cannot harm the stream whatever it does.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use futures::FutureExt;
use metrics::counter;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::decode::observed::ObservedEvent;
use session_telemetry::names;

/// Something that is done for events.
///
/// Each handler has a task and a bounded backlog of its own, and is given one event at a time, in the order in which the
/// events are found. An error or a panic is logged and counted, and the next event comes. If the backlog is full,
/// events are dropped and counted: a handler that must not miss any has to be fast, or keep its own queue. After a
/// crash of the service, events from the cursor on come again.
#[async_trait]
pub trait EventHandler: Send + Sync + 'static {
    /// The handler's name, for logs and metrics.
    fn name(&self) -> &str;

    /// Whether events of this IDL name (e.g. `"SessionQueuedEvent"`) are of interest.
    fn wants(&self, event_name: &str) -> bool;

    /// Handles one event.
    ///
    /// # Errors
    /// Whatever went wrong, for the log.
    async fn handle(&self, event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// Gives every event to the handlers that want it.
#[derive(Default)]
pub(crate) struct Dispatcher {
    backlogs: Vec<Backlog>,
}

/// A handler, and the way to the task that runs it.
struct Backlog {
    handler: Arc<dyn EventHandler>,
    events: mpsc::Sender<Arc<ObservedEvent>>,
}

impl Dispatcher {
    /// Starts a task for each handler. They end when the dispatcher is dropped and their backlogs are empty.
    pub(crate) fn start(handlers: &[Arc<dyn EventHandler>], backlog_max: usize) -> (Self, Vec<JoinHandle<()>>) {
        let mut dispatcher = Self::default();
        let mut tasks = Vec::new();
        for handler in handlers {
            let (sender, receiver) = mpsc::channel(backlog_max);
            dispatcher.backlogs.push(Backlog {
                handler: Arc::clone(handler),
                events: sender,
            });
            tasks.push(tokio::spawn(run(Arc::clone(handler), receiver)));
        }
        (dispatcher, tasks)
    }

    pub(crate) fn dispatch(&self, event: &Arc<ObservedEvent>) {
        for Backlog { handler, events } in &self.backlogs {
            if handler.wants(event.name()) && events.try_send(Arc::clone(event)).is_err() {
                failed(handler.as_ref(), "backlog_full");
                tracing::warn!(
                    handler = handler.name(),
                    event = event.name(),
                    "event dropped: the handler is too slow"
                );
            }
        }
    }
}

async fn run(handler: Arc<dyn EventHandler>, mut backlog: mpsc::Receiver<Arc<ObservedEvent>>) {
    while let Some(event) = backlog.recv().await {
        match AssertUnwindSafe(handler.handle(&event)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                failed(handler.as_ref(), "error");
                tracing::error!(handler = handler.name(), event = event.name(), %error, "a custom handler failed");
            }
            Err(_panic) => {
                failed(handler.as_ref(), "panic");
                tracing::error!(
                    handler = handler.name(),
                    event = event.name(),
                    "a custom handler panicked"
                );
            }
        }
    }
}

fn failed(handler: &dyn EventHandler, reason: &'static str) {
    counter!(names::LISTENER_HANDLER_FAILURES_TOTAL, "handler" => handler.name().to_owned(), "reason" => reason)
        .increment(1);
}
