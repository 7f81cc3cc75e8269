//! The task that writes chapters down: many in one commit, and few commits a second, since each one waits for the disk and the
//! ledger uses the same file. It forgets what is too old or too much.

use std::time::Duration;

use metrics::counter;
use session_store::{Chapter, Keep, Store, StoreError};
use session_telemetry::names;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

/// Chapters of one commit: some milliseconds in which the ledger waits.
const BATCH_MAX: usize = 256;
/// How long chapters are gathered.
const GATHERED_FOR: Duration = Duration::from_millis(200);
/// How often what need not be kept is forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// So many chapters at a time.
const FORGOTTEN_MAX: u32 = 1_000;

/// What the keeper is asked to do.
pub(super) enum Order {
    /// Write this down.
    Write(Chapter),
    /// Say so when all that was ordered before is written.
    Answer(oneshot::Sender<()>),
}

pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) keep: Duration,
    pub(super) chapters_max: u64,
}

impl Keeper {
    /// Works until it is stopped, and writes what was ordered by then.
    pub(super) async fn run(self, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        let mut forgetting = interval(FORGET_EVERY);
        forgetting.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = forgetting.tick() => self.forget(&stop).await,
                received = orders.recv_many(&mut batch, BATCH_MAX) => {
                    let (more_waits, over) = (received == BATCH_MAX, received == 0);
                    self.carry_out(&mut batch).await;
                    if over {
                        return;
                    }
                    if !more_waits {
                        stop.run_until_cancelled(sleep(GATHERED_FOR)).await;
                    }
                }
            }
        }
        orders.close();
        while orders.recv_many(&mut batch, BATCH_MAX).await > 0 {
            self.carry_out(&mut batch).await;
        }
    }

    async fn carry_out(&self, orders: &mut Vec<Order>) {
        let (mut chapters, mut answers) = (Vec::with_capacity(orders.len()), Vec::new());
        for order in orders.drain(..) {
            match order {
                Order::Write(chapter) => chapters.push(chapter),
                Order::Answer(answer) => answers.push(answer),
            }
        }
        let count = chapters.len();
        if count > 0
            && let Err(error) = self.store.tell(chapters).await
        {
            lost(count, &error);
        }
        for answer in answers {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(());
        }
    }

    async fn forget(&self, stop: &CancellationToken) {
        let keep = Keep {
            since: session_clock::now() - self.keep,
            chapters_max: self.chapters_max,
        };
        while !stop.is_cancelled() {
            match self.store.forget_histories(keep, FORGOTTEN_MAX).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "old histories are not forgotten; tried again in a minute");
                    return;
                }
            }
        }
    }
}

/// The store did not take so many chapters.
pub(crate) fn lost(count: usize, error: &StoreError) {
    tracing::warn!(count, %error, "entries of histories are lost; nothing else is the matter");
    counter!(names::HISTORY_ENTRIES_LOST_TOTAL, "reason" => "store").increment(count as u64);
}
