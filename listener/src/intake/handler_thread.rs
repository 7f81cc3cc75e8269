//! Where a custom handler runs: on a thread of its own, kept by a task that never waits for it longer than it said.
//!
//! A future that is given up stops where it waits next, and code that never waits cannot be stopped at all: it would take
//! one of the service's own threads with it, each time that it is called. Here it takes one that nobody else needs.

use std::{
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};

use futures::FutureExt;
use metrics::histogram;
use tokio::{
    sync::mpsc::{self, error::TryRecvError},
    time::{Instant, timeout},
};

use crate::{
    decode::observed::ObservedEvent,
    intake::handlers::{EventHandler, Unwanted, failed},
};
use session_telemetry::names;

/// So long after its time a handler may take to be given up; then its thread is left behind.
const GIVES_WAY_WITHIN: Duration = Duration::from_secs(1);
/// Threads that one handler may hold without ever giving them back.
const LEFT_BEHIND_MAX: usize = 4;

/// How an event went.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Handled,
    NotWanted,
    Failed(String),
    Panicked,
    TimedOut,
}

/// The task that keeps one handler supplied.
pub(crate) struct Keeper {
    handler: Arc<dyn EventHandler>,
    name: Arc<str>,
    unwanted: Arc<Unwanted>,
    time_limit: Duration,
    idle: Option<Worker>,
    left_behind: Vec<Worker>,
}

impl Keeper {
    pub(crate) fn new(
        handler: Arc<dyn EventHandler>,
        name: Arc<str>,
        unwanted: Arc<Unwanted>,
        time_limit: Duration,
    ) -> Self {
        Self {
            handler,
            name,
            unwanted,
            time_limit,
            idle: None,
            left_behind: Vec::new(),
        }
    }

    /// Gives the handler one event after the other, until there will be none any more.
    pub(crate) async fn run(mut self, mut backlog: mpsc::Receiver<Arc<ObservedEvent>>) {
        while let Some(event) = backlog.recv().await {
            match self.worker().await {
                Ok(worker) => self.give(worker, event).await,
                Err(error) => {
                    failed(&self.name, "no_thread");
                    tracing::error!(handler = &*self.name, event = event.name(), %error, "a custom handler has no thread");
                }
            }
        }
        if let Some(worker) = self.idle {
            // It has nothing to do, so it ends at once.
            let _ = timeout(GIVES_WAY_WITHIN, worker.ended()).await;
        }
    }

    /// A thread that is free. Where too many were left behind, the first that comes back.
    async fn worker(&mut self) -> io::Result<Worker> {
        if let Some(worker) = self.idle.take() {
            return Ok(worker);
        }
        self.left_behind.retain_mut(Worker::is_stuck);
        if self.left_behind.len() >= LEFT_BEHIND_MAX {
            tracing::error!(
                handler = &*self.name,
                threads = LEFT_BEHIND_MAX,
                "a custom handler gives no thread back: it is given nothing more until it does"
            );
            let stuck = &mut self.left_behind;
            let returned = poll_fn(|context| {
                let mut each = stuck.iter_mut().enumerate();
                let returned =
                    each.find_map(|(index, worker)| worker.outcomes.poll_recv(context).is_ready().then_some(index));
                returned.map_or(Poll::Pending, Poll::Ready)
            })
            .await;
            self.left_behind.swap_remove(returned);
        }
        Worker::start(Arc::clone(&self.handler), self.time_limit)
    }

    async fn give(&mut self, mut worker: Worker, event: Arc<ObservedEvent>) {
        let since = Instant::now();
        // A thread that is gone is seen by its silence.
        let _ = worker.events.send(Arc::clone(&event)).await;
        let outcome = timeout(self.time_limit + GIVES_WAY_WITHIN, worker.outcomes.recv()).await;
        let took = since.elapsed();
        let (handler, event) = (&*self.name, event.name());
        match &outcome {
            Ok(Some(Outcome::Handled)) => {}
            Ok(Some(Outcome::NotWanted)) => self.unwanted.add(event),
            Ok(Some(Outcome::Failed(error))) => {
                failed(handler, "error");
                tracing::error!(handler, event, error, "a custom handler failed");
            }
            Ok(Some(Outcome::TimedOut)) => {
                failed(handler, "timed_out");
                tracing::error!(handler, event, ?took, "a custom handler took too long and was given up");
            }
            Ok(Some(Outcome::Panicked) | None) => {
                failed(handler, "panic");
                tracing::error!(handler, event, "a custom handler panicked");
            }
            Err(_) => {
                failed(handler, "blocked");
                tracing::error!(
                    handler,
                    event,
                    ?took,
                    "a custom handler blocks its thread, which is left behind"
                );
            }
        }
        if outcome != Ok(Some(Outcome::NotWanted)) {
            histogram!(names::LISTENER_HANDLER_DURATION_SECONDS, "handler" => handler.to_owned())
                .record(took.as_secs_f64());
        }
        match outcome {
            Ok(Some(_)) => self.idle = Some(worker),
            Ok(None) => {}
            Err(_) => self.left_behind.push(worker),
        }
    }
}

/// A handler's thread: takes one event, says how it went, and takes the next. It ends when it is dropped, as soon as the
/// handler returns.
struct Worker {
    events: mpsc::Sender<Arc<ObservedEvent>>,
    outcomes: mpsc::Receiver<Outcome>,
}

impl Worker {
    fn start(handler: Arc<dyn EventHandler>, time_limit: Duration) -> io::Result<Self> {
        let (events, given) = mpsc::channel(1);
        let (outcome, outcomes) = mpsc::channel(1);
        thread::Builder::new()
            .name(String::from("custom-handler"))
            .spawn(move || work(handler.as_ref(), time_limit, given, &outcome))?;
        Ok(Self { events, outcomes })
    }

    /// Whether it has neither returned nor ended since it was left behind.
    fn is_stuck(&mut self) -> bool {
        matches!(self.outcomes.try_recv(), Err(TryRecvError::Empty))
    }

    async fn ended(self) {
        let Self { events, mut outcomes } = self;
        drop(events);
        while outcomes.recv().await.is_some() {}
    }
}

/// All that a handler's thread does. A panic that is not the handler's answer to an event, such as one while something of it
/// is dropped, ends the thread and nothing else.
fn work(
    handler: &dyn EventHandler,
    time_limit: Duration,
    mut events: mpsc::Receiver<Arc<ObservedEvent>>,
    outcomes: &mpsc::Sender<Outcome>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "a custom handler's thread has no runtime"),
    };
    runtime.block_on(async {
        while let Some(event) = events.recv().await {
            let outcome = attempt(handler, &event, time_limit).await;
            drop(event);
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    });
    // What it may have left running in the background is not waited for.
    runtime.shutdown_background();
}

async fn attempt(handler: &dyn EventHandler, event: &ObservedEvent, time_limit: Duration) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| handler.wants(event.name()))) {
        Ok(true) => {}
        Ok(false) => return Outcome::NotWanted,
        Err(_panic) => return Outcome::Panicked,
    }
    // The error's text is the handler's code, too.
    let handling = async { handler.handle(event).await.map_err(|error| error.to_string()) };
    match timeout(time_limit, AssertUnwindSafe(handling).catch_unwind()).await {
        Ok(Ok(Ok(()))) => Outcome::Handled,
        Ok(Ok(Err(error))) => Outcome::Failed(error),
        Ok(Err(_panic)) => Outcome::Panicked,
        Err(_elapsed) => Outcome::TimedOut,
    }
}
