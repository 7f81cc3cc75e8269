//! The commands `reconcile` and `backfill`: they find what was missed, queue it, and stay until it is served.
//!
//! With SQS the running function serves what they queue. With a queue in memory, which no other process can reach, they
//! run the function themselves, as the owner of the store: beside a running service they are refused.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use create_accounts::{RecordObserver, signers};
use session_chain::rpc_pool;
use session_config::{QueueKind, Settings};
use session_listener::{
    BackfillReport, BackfillRequest, Lasting, ListenerConfig, ReconcileReport, ReconcileRequest,
    backfill as run_backfill, reconcile as run_reconcile,
};
use session_queue::{InMemoryConfig, InMemoryQueue, Queue};
use session_store::StoreError;
use session_telemetry::Quoted;
use tokio_util::sync::CancellationToken;

use crate::exit::Ending;

use session_builder::{
    display::Display,
    handling::{Handling, HandlingError, HandlingParts, Readied},
    lasting::lasting,
    queues::{Queues, QueuesError},
    reach::reach,
    screen::Screen,
};

/// The queue that the finds go to, and whoever empties it.
struct Workshop {
    queue: Arc<dyn Queue>,
    handling: Option<Handling>,
    display: Arc<Display>,
}

impl Workshop {
    async fn open(settings: &Settings, screen: Arc<Screen>, dry_run: bool) -> Result<Self> {
        let display = Arc::new(Display::new(screen, None));
        let pool = rpc_pool(settings)?;
        reach(settings, |reason| tracing::warn!("{reason}")).await?;
        if dry_run || settings.queue.kind == QueueKind::Sqs {
            // A dry run sends nothing, and needs no store that may be another process's.
            let queue: Arc<dyn Queue> = match settings.queue.kind {
                QueueKind::Memory => Arc::new(nothing()),
                QueueKind::Sqs => Queues::open(settings).await?.source,
            };
            return Ok(Self {
                queue,
                handling: None,
                display,
            });
        }
        let parts = HandlingParts {
            pool,
            signers: signers(settings).await?,
            observer: Arc::clone(&display) as Arc<dyn RecordObserver>,
            passing: None,
        };
        let readied = Readied::open(settings, parts).await;
        let handling = readied.map_err(|error| beside(settings, error))?.begin();
        Ok(Self {
            queue: Arc::clone(&handling.queues().source),
            handling: Some(handling),
            display,
        })
    }

    /// Where what must last is kept. A dry run keeps nothing.
    async fn lasting(&self, settings: &Settings) -> Result<Lasting> {
        let store = self.handling.as_ref().and_then(Handling::store);
        Ok(lasting(settings, store).await?)
    }

    /// Waits until what was queued is served, and says whether all of it was.
    async fn close(self) -> Ending {
        self.display.finish();
        let drained = match self.handling {
            Some(handling) => handling.drain().await,
            None => true,
        };
        let dead = self.display.totals().borrow().dead_lettered;
        if drained && dead == 0 {
            Ending::Done
        } else {
            Ending::Partly
        }
    }
}

/// A running service owns the queue that the finds would go to.
#[derive(Debug, thiserror::Error)]
#[error(
    "the running process {pid} owns {folder} and the queue in its memory{compares}; look with --dry-run, or stop it \
     (kill {pid}) and say this again"
)]
struct Beside {
    pid: u32,
    folder: String,
    /// That it does the same by itself, if it does.
    compares: String,
}

/// The error for a person who may not know that a service runs.
fn beside(settings: &Settings, error: HandlingError) -> anyhow::Error {
    let (HandlingError::Store(StoreError::Owned { pid: Some(pid), .. })
    | HandlingError::Queues(QueuesError::Store(StoreError::Owned { pid: Some(pid), .. }))) = &error
    else {
        return error.into();
    };
    let compares = settings
        .listener
        .reconcile_interval
        .map_or_else(String::new, |interval| {
            format!(
                ": it compares by itself every {} s (listener.reconcile_interval_secs)",
                interval.as_secs()
            )
        });
    let folder = settings.service.state_dir.display().to_string();
    Beside {
        pid: *pid,
        folder,
        compares,
    }
    .into()
}

/// A queue for nothing.
pub(crate) fn nothing() -> InMemoryQueue {
    let config = || InMemoryConfig {
        name: String::from("dry-run"),
        visibility_timeout: Duration::ZERO,
        capacity: 0,
    };
    InMemoryQueue::volatile(config(), config(), 1).0
}

/// Compares the factory's accounts with the sessions that exist, and has the missing ones served.
///
/// # Errors
/// What the chain or the queue says.
pub(crate) async fn reconcile(
    settings: Settings,
    screen: Arc<Screen>,
    request: ReconcileRequest,
    stop: CancellationToken,
) -> Result<Ending> {
    let config = ListenerConfig::from_settings(&settings)?;
    let opening = Box::pin(Workshop::open(&settings, screen, request.dry_run));
    let Some(workshop) = stop.run_until_cancelled(opening).await else {
        return Ok(Ending::Partly);
    };
    let workshop = workshop?;
    let queue = Arc::clone(&workshop.queue);
    let lasting = workshop.lasting(&settings).await?;
    let report = run_reconcile(&config, rpc_pool(&settings)?, queue, &lasting, request, stop).await;
    drop(lasting);
    if let Ok(report) = &report {
        tell(&workshop.display, report);
    }
    let served = workshop.close().await;
    // What could not be compared is compared by the next one.
    Ok(if report?.failed_shards > 0 {
        Ending::Partly
    } else {
        served
    })
}

fn tell(display: &Display, report: &ReconcileReport) {
    let word = if report.dry_run { "missing" } else { "queued" };
    for session in &report.queued.first {
        let signature = session
            .signature
            .map(|signature| signature.to_string())
            .unwrap_or_default();
        let (name, address, size) = (Quoted(&session.session_id), session.address, session.size_bytes);
        display.say(&format!(
            "{word} session={name} pda={address} signature={signature} size={size}"
        ));
    }
    for session in &report.underivable.first {
        let (name, address, entry) = (Quoted(&session.session_id), session.address, session.entry);
        display.say(&format!(
            "underivable session={name} pda={address} entry={entry} note=\"its address does not follow from the session program\""
        ));
    }
    for address in &report.malformed.first {
        display.say(&format!("malformed entry={}", Quoted(address)));
    }
    display.say(&format!(
        "reconciled entries {}  remembered {}  existing {}  optimistic {}  young {}  covered {}  underivable {}  malformed {}  failed shards {}  {word} {}",
        report.entries,
        report.remembered,
        report.existing,
        report.optimistic,
        report.young,
        report.covered,
        report.underivable.count,
        report.malformed.count,
        report.failed_shards,
        report.queued.count,
    ));
}

/// Goes over a stretch of history again, and has what it asked for served. Interrupted, it goes on where it was when it
/// is asked for again.
///
/// # Errors
/// What the chain, the queue or the watermark's place says.
pub(crate) async fn backfill(
    settings: Settings,
    screen: Arc<Screen>,
    request: BackfillRequest,
    stop: CancellationToken,
) -> Result<Ending> {
    let mut config = ListenerConfig::from_settings(&settings)?;
    // Nobody waits for a stretch of the past as one waits for a shutdown.
    config.drain_limit = Duration::from_mins(5);
    let opening = Box::pin(Workshop::open(&settings, screen, request.dry_run));
    let Some(workshop) = stop.run_until_cancelled(opening).await else {
        return Ok(Ending::Partly);
    };
    let workshop = workshop?;
    let lasting = workshop.lasting(&settings).await?;
    let (queue, display) = (Arc::clone(&workshop.queue), Arc::clone(&workshop.display));
    let progress = |report: &BackfillReport| display.say(&line("at", report));
    let report = run_backfill(&config, rpc_pool(&settings)?, queue, &lasting, request, progress, stop).await;
    drop(lasting);
    if let Ok(report) = &report {
        workshop
            .display
            .say(&line(if report.done { "done" } else { "interrupted" }, report));
    }
    let served = workshop.close().await;
    // What was not gone over is gone over by the next one, which begins where this one was.
    Ok(if report?.done { served } else { Ending::Partly })
}

fn line(word: &str, report: &BackfillReport) -> String {
    let BackfillReport {
        from_slot,
        to_slot,
        slot,
        transactions,
        events,
        ..
    } = report;
    format!("backfill {word} slot {slot}  from {from_slot}  to {to_slot}  transactions {transactions}  events {events}")
}
