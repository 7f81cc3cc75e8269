//! Backfill by hand: queues what a stretch of the past asked for, again or for the first time.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use session_chain::RpcPool;
use session_message::Origin;
use session_queue::Queue;
use solana_sdk::signature::Signature;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::saved::SavedWatermark,
    checkpoint::watermark::{Mark, Watermark},
    config::ListenerConfig,
    decode::listed::Listed,
    error::ListenerError,
    jobs::job::Job,
    lasting::Lasting,
    source::fetcher::{Fetcher, Stopped},
    source::rpc_walk::RpcSource,
    source::walk::Delivery,
};

/// How long the end of a stretch is given to become final before it is listed again.
const PROOF_PAUSE: Duration = Duration::from_secs(1);

/// A place in the program's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// This slot.
    Slot(u64),
    /// The slot of this transaction.
    Signature(Signature),
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackfillRequest {
    /// The first slot.
    pub from: Point,
    /// The last slot; the newest one if absent.
    pub to: Option<Point>,
    /// Look, and queue nothing.
    pub dry_run: bool,
}

/// How far a backfill is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackfillReport {
    /// The slot that it goes on from: later than asked for if an interrupted backfill is resumed.
    pub from_slot: u64,
    /// The last slot of the stretch.
    pub to_slot: u64,
    /// Slot of the last transaction that was read.
    pub slot: u64,
    /// Transactions that were listed.
    pub transactions: u64,
    /// Events that ask for an account: queued, or found in a dry run.
    pub events: u64,
    /// Whether the stretch is done, and everything of it is settled.
    pub done: bool,
}

/// Queues every account that was asked for in a stretch of the past, and tells `progress` after each page. A backfill that was
/// interrupted goes on where it was when the same stretch is asked for again.
///
/// # Errors
/// [`ListenerError`] if it cannot start or save how far it is. What fails on the way is repeated until `stop`.
pub async fn backfill(
    config: &ListenerConfig,
    pool: RpcPool,
    queue: Arc<dyn Queue>,
    lasting: &Lasting,
    request: BackfillRequest,
    progress: impl Fn(&BackfillReport),
    stop: CancellationToken,
) -> Result<BackfillReport, ListenerError> {
    let Some(job) = Job::open(config, pool, queue, lasting.quarantine.clone(), stop).await? else {
        return Ok(BackfillReport::default());
    };
    let Some(stretch) = prepare(&job, request).await else {
        return Ok(BackfillReport::default());
    };
    let name = format!("backfill-{}-{}", stretch.from, stretch.to_name);
    let mut saved = lasting.watermarks.named(&name, &config.program_id, &job.genesis_hash);
    let asked = Mark {
        slot: stretch.from.saturating_sub(1),
        signature: None,
    };
    let mark = if request.dry_run {
        asked
    } else {
        saved.load().await?.unwrap_or(asked)
    };
    job.intake.watermark.with(|watermark| *watermark = Watermark::new(mark));
    let report = BackfillReport {
        from_slot: mark.slot + 1,
        to_slot: stretch.to,
        slot: mark.slot,
        ..BackfillReport::default()
    };
    let mut run = Underway {
        report,
        saved,
        dry_run: request.dry_run,
        tell: progress,
    };
    let walked = run.walk(config, &job, mark).await?;
    run.finish(job, walked).await
}

/// A stretch of slots, both ends included.
struct Stretch {
    from: u64,
    to: u64,
    /// The end as it was asked for, so that "up to now" is one backfill however often it is resumed.
    to_name: String,
}

/// `None` if told to stop.
async fn prepare(job: &Job, request: BackfillRequest) -> Option<Stretch> {
    let tip = job
        .patience
        .insist("asking for the newest slot", || job.history.tip())
        .await;
    let (Some(tip), Some(from)) = (tip, slot_of(job, request.from).await) else {
        return None;
    };
    let stretch = match request.to {
        None => Stretch {
            from,
            to: tip,
            to_name: "now".to_owned(),
        },
        Some(to) => {
            let to = slot_of(job, to).await?;
            Stretch {
                from,
                to: to.min(tip),
                to_name: to.to_string(),
            }
        }
    };
    Some(stretch)
}

async fn slot_of(job: &Job, point: Point) -> Option<u64> {
    match point {
        Point::Slot(slot) => Some(slot),
        Point::Signature(signature) => {
            let ask = || job.history.transaction(signature);
            let transaction = job.patience.insist("asking for the slot of a transaction", ask).await?;
            Some(transaction.slot)
        }
    }
}

/// A backfill under way.
struct Underway<P> {
    report: BackfillReport,
    saved: SavedWatermark,
    dry_run: bool,
    tell: P,
}

impl<P: Fn(&BackfillReport)> Underway<P> {
    /// Takes everything in, and walks again until the source states that it was all. False if told to stop before.
    async fn walk(&mut self, config: &ListenerConfig, job: &Job, mark: Mark) -> Result<bool, ListenerError> {
        let feed = Fetcher {
            history: job.history.clone(),
            intake: Arc::clone(&job.intake),
            patience: job.patience.clone(),
            fetch_concurrency: config.fetch_concurrency,
            origin: Origin::Backfill,
            owing: None,
            found: AtomicU64::default(),
        };
        let source = RpcSource::new(&job.history, config.listing_margin_slots, config.comparison_interval);
        let mut complete = mark.slot;
        while complete < self.report.to_slot {
            let mark = Mark {
                slot: complete,
                signature: None,
            };
            let Some(proven) = self.pass(job, &feed, &source, mark).await? else {
                return Ok(false);
            };
            complete = complete.max(proven);
            if complete < self.report.to_slot && job.patience.wait(sleep(PROOF_PAUSE)).await.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes in what is proven to be all after the mark, and answers up to which slot that is; `None` if told to stop.
    async fn pass(
        &mut self,
        job: &Job,
        feed: &Fetcher,
        source: &RpcSource,
        mark: Mark,
    ) -> Result<Option<u64>, ListenerError> {
        let to = self.report.to_slot;
        let Ok(mut walk) = feed.begin(source, mark).await else {
            return Ok(None);
        };
        loop {
            let Ok(delivery) = feed.next(&mut walk).await else {
                return Ok(None);
            };
            let (mut listed, complete) = match delivery {
                Delivery::Nothing => continue,
                Delivery::Transactions { listed, complete } => (listed, complete),
                Delivery::End(statement) => {
                    let proven = statement.up_to.min(to);
                    if !self.dry_run {
                        job.intake.watermark.with(|watermark| watermark.complete_up_to(proven));
                        self.save(job).await?;
                    }
                    return Ok(Some(proven));
                }
            };
            // What is not proven yet comes again, at the end of this walk or in the next one.
            let is_last = complete >= to && listed.last().is_some_and(|last| last.slot > to);
            listed.retain(|listed| listed.slot <= complete.min(to));
            if self.take(feed, listed, complete.min(to)).await.is_err() {
                return Ok(None);
            }
            if !self.dry_run {
                self.save(job).await?;
            }
            (self.tell)(&self.report);
            if is_last {
                return Ok(Some(to));
            }
        }
    }

    async fn save(&mut self, job: &Job) -> Result<(), ListenerError> {
        let mark = job.intake.watermark.with(|watermark| watermark.mark());
        self.saved.advance(mark).await?;
        Ok(())
    }

    async fn take(&mut self, feed: &Fetcher, segment: Vec<Listed>, complete: u64) -> Result<(), Stopped> {
        self.report.transactions += segment.len() as u64;
        self.report.slot = segment.last().map_or(self.report.slot, |listed| listed.slot);
        let found = if self.dry_run {
            feed.look_at(segment).await?
        } else {
            feed.take_segment(segment, complete).await?
        };
        self.report.events += found;
        Ok(())
    }

    /// Waits until all is settled, and forgets how far it is if it is at the end.
    async fn finish(mut self, job: Job, walked: bool) -> Result<BackfillReport, ListenerError> {
        if walked {
            job.intake
                .watermark
                .with(|watermark| watermark.complete_up_to(self.report.to_slot));
        }
        let watermark = job.finish().await?;
        let mark = watermark.with(|watermark| watermark.mark());
        self.report.done = walked && (self.dry_run || mark.slot >= self.report.to_slot);
        match (self.dry_run, self.report.done) {
            (true, _) => {}
            (false, true) => self.saved.remove().await?,
            (false, false) => {
                self.saved.advance(mark).await?;
            }
        }
        Ok(self.report)
    }
}
