//! Custom handlers: code of the service's users that is given events, and cannot harm the stream whatever it does.

use std::{
    collections::HashSet,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use metrics::counter;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{decode::observed::ObservedEvent, intake::handler_thread::Keeper};
use session_telemetry::names;

/// Names that a handler does not want and that are remembered; an IDL has a dozen.
const UNWANTED_MAX: usize = 256;

/// Something that is done for events.
///
/// Each handler has a thread and a bounded backlog of its own, and is given one event at a time, in the order in which the
/// events are found. An error or a panic is logged and counted, and the next event comes. So is what takes longer than
/// `listener.handler_time_limit_ms`: it is given up where it waits next. One that never waits again is left behind
/// with its thread, so that it may still be at its event when the next one comes; when too many are left behind, the
/// handler is given nothing before one of them returns.
///
/// If the backlog is full (`listener.max_handler_backlog`), events are dropped and counted: a handler that must not miss
/// any has to be fast, or keep its own queue. After a crash of the service, events from the watermark on come again.
#[async_trait]
pub trait EventHandler: Send + Sync + 'static {
    /// The handler's name, for logs and metrics.
    fn name(&self) -> &str;

    /// Whether events of this IDL name (e.g. `"SessionQueuedEvent"`) are of interest. A no is remembered.
    fn wants(&self, event_name: &str) -> bool;

    /// Handles one event.
    ///
    /// # Errors
    /// Whatever went wrong, for the log.
    async fn handle(&self, event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// How much of the service's memory and time a handler may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandlerLimits {
    /// Events that wait for it.
    pub(crate) backlog_max: usize,
    /// How long it may take over one.
    pub(crate) time: Duration,
}

/// Gives every event to the handlers that want it, and never waits for one.
#[derive(Default)]
pub(crate) struct Dispatcher {
    backlogs: Vec<Backlog>,
}

/// The way to a handler.
struct Backlog {
    handler: Arc<str>,
    unwanted: Arc<Unwanted>,
    events: mpsc::Sender<Arc<ObservedEvent>>,
}

impl Dispatcher {
    /// Starts a task for each handler. They end when the dispatcher is dropped and their backlogs are empty.
    pub(crate) fn start(handlers: &[Arc<dyn EventHandler>], limits: HandlerLimits) -> (Self, Vec<JoinHandle<()>>) {
        let mut dispatcher = Self::default();
        let mut tasks = Vec::new();
        for handler in handlers {
            let (sender, receiver) = mpsc::channel(limits.backlog_max);
            let (name, unwanted): (Arc<str>, Arc<Unwanted>) = (handler.name().into(), Arc::default());
            dispatcher.backlogs.push(Backlog {
                handler: Arc::clone(&name),
                unwanted: Arc::clone(&unwanted),
                events: sender,
            });
            let keeper = Keeper::new(Arc::clone(handler), name, unwanted, limits.time);
            tasks.push(tokio::spawn(keeper.run(receiver)));
        }
        (dispatcher, tasks)
    }

    /// None of the handler's own code runs here.
    pub(crate) fn dispatch(&self, event: &Arc<ObservedEvent>) {
        for Backlog {
            handler,
            unwanted,
            events,
        } in &self.backlogs
        {
            if !unwanted.contains(event.name()) && events.try_send(Arc::clone(event)).is_err() {
                failed(handler, "backlog_full");
                tracing::warn!(
                    handler = &**handler,
                    event = event.name(),
                    "event dropped: the handler is too slow"
                );
            }
        }
    }
}

/// Names of events that a handler does not want, so that they take no room in its backlog.
#[derive(Debug, Default)]
pub(crate) struct Unwanted(Mutex<HashSet<String>>);

impl Unwanted {
    /// The handler has said no to such an event.
    pub(crate) fn add(&self, event_name: &str) {
        let mut names = self.lock();
        if names.len() < UNWANTED_MAX {
            names.insert(event_name.to_owned());
        }
    }

    fn contains(&self, event_name: &str) -> bool {
        self.lock().contains(event_name)
    }

    /// A set of names is never left half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts an event that a handler did not take.
pub(crate) fn failed(handler: &str, reason: &'static str) {
    counter!(names::LISTENER_HANDLER_FAILURES_TOTAL, "handler" => handler.to_owned(), "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests;
