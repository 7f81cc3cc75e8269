//! Backfill by hand: queues what a stretch of the past asked for, again or for the first time.

use std::sync::Arc;

use session_chain::RpcPool;
use session_message::Origin;
use session_queue::Queue;
use solana_sdk::signature::Signature;
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::cursor::SavedCursor,
    checkpoint::watermark::{Mark, Watermark},
    config::ListenerConfig,
    decode::listed::Listed,
    error::ListenerError,
    jobs::job::Job,
    lasting::Lasting,
    source::fetcher::{Fetcher, Stopped},
    source::pager::Pager,
};

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
    /// The last slot; the newest whose listing is final if absent.
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
    let Some(stretch) = prepare(config, &job, request).await else {
        return Ok(BackfillReport::default());
    };
    let name = format!("backfill-{}-{}", stretch.from, stretch.to_name);
    let mut cursor = lasting.cursors.named(&name, &config.program_id, &job.genesis_hash);
    let asked = Mark {
        slot: stretch.from.saturating_sub(1),
        signature: None,
    };
    let mark = if request.dry_run {
        asked
    } else {
        cursor.load().await?.unwrap_or(asked)
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
        cursor,
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
async fn prepare(config: &ListenerConfig, job: &Job, request: BackfillRequest) -> Option<Stretch> {
    let tip = job
        .patience
        .insist("asking for the newest slot", || job.history.tip())
        .await;
    let (Some(tip), Some(from)) = (tip, slot_of(job, request.from).await) else {
        return None;
    };
    let newest = tip.saturating_sub(config.listing_margin_slots);
    let stretch = match request.to {
        None => Stretch {
            from,
            to: newest,
            to_name: "now".to_owned(),
        },
        Some(to) => {
            let to = slot_of(job, to).await?;
            Stretch {
                from,
                to: to.min(newest),
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
    cursor: SavedCursor,
    dry_run: bool,
    tell: P,
}

impl<P: Fn(&BackfillReport)> Underway<P> {
    /// Takes everything in. False if told to stop before the end.
    async fn walk(&mut self, config: &ListenerConfig, job: &Job, mark: Mark) -> Result<bool, ListenerError> {
        let feed = Fetcher {
            history: job.history.clone(),
            intake: Arc::clone(&job.intake),
            patience: job.patience.clone(),
            fetch_concurrency: config.fetch_concurrency,
            origin: Origin::Backfill,
        };
        let to = self.report.to_slot;
        let pages = job.history.pages_of(config.program_id, to);
        let mut pager = Pager::after(mark);
        loop {
            let segment = match feed.next_segment(&mut pager, &pages).await {
                Ok(Some(segment)) => segment,
                Ok(None) => return Ok(true),
                Err(Stopped) => return Ok(false),
            };
            let wanted: Vec<Listed> = segment.iter().filter(|listed| listed.slot <= to).copied().collect();
            let is_last = wanted.len() < segment.len();
            if self.take(&feed, wanted).await.is_err() {
                return Ok(false);
            }
            if !self.dry_run {
                self.cursor
                    .advance(job.intake.watermark.with(|watermark| watermark.cursor()))
                    .await?;
            }
            (self.tell)(&self.report);
            if is_last {
                return Ok(true);
            }
        }
    }

    async fn take(&mut self, feed: &Fetcher, segment: Vec<Listed>) -> Result<(), Stopped> {
        self.report.transactions += segment.len() as u64;
        self.report.slot = segment.last().map_or(self.report.slot, |listed| listed.slot);
        let found = if self.dry_run {
            feed.look_at(segment).await?
        } else {
            feed.take_segment(segment, self.report.to_slot).await?
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
        let cursor = watermark.with(|watermark| watermark.cursor());
        self.report.done = walked && (self.dry_run || cursor.slot >= self.report.to_slot);
        match (self.dry_run, self.report.done) {
            (true, _) => {}
            (false, true) => self.cursor.remove().await?,
            (false, false) => {
                self.cursor.advance(cursor).await?;
            }
        }
        Ok(self.report)
    }
}
