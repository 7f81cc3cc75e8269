//! What happened to each session's request, written down for whoever asks later (`session-builder inspect`).
//!
//! It sees messages enter the queue, the ledger's holds and their fates, and each record's end, and hands chapters to one
//! task that writes them to the store in batches. It watches: a chapter that finds no room in the channel, or that the store
//! does not take, is counted and lost, and changes nothing else.

mod chapters;
mod keeper;
mod ledger;
mod observer;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use create_accounts::RecordObserver;
use metrics::counter;
use session_config::History as HistorySettings;
use session_ledger::Ledger;
use session_queue::Queue;
use session_store::{Chapter, Reader, Store};
use session_telemetry::names;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    chapters::{purged, redriven, shown},
    keeper::lost,
};
use self::{
    keeper::{Keeper, Order},
    ledger::ToldLedger,
    observer::ToldObserver,
    queue::ToldQueue,
};

/// Chapters that may wait to be written: some seconds' worth at a thousand sessions a second.
const WAITING_MAX: usize = 16_384;

/// Takes chapters from whoever sees something happen. Clones tell the same history.
#[derive(Clone)]
pub(crate) struct Historian {
    orders: mpsc::Sender<Order>,
    reader: Reader,
}

/// The task that writes, and its end.
pub(crate) struct History {
    historian: Historian,
    keeper: JoinHandle<()>,
    stop: CancellationToken,
}

impl History {
    /// Starts writing to a store; where nothing is to be kept, what earlier runs have kept is left as it is.
    pub(crate) fn start(store: &Store, settings: HistorySettings) -> Option<Self> {
        let keep = settings.keep?;
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            store: store.clone(),
            keep,
            chapters_max: settings.entries_max,
        };
        let reader = Reader::clone(store);
        Some(Self {
            historian: Historian { orders, reader },
            keeper: tokio::spawn(keeper.run(waiting, stop.clone())),
            stop,
        })
    }

    pub(crate) fn historian(&self) -> &Historian {
        &self.historian
    }

    /// Writes what was told until now, and ends. What is told later is lost.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.keeper.await {
            tracing::error!(%error, "the keeper of the histories did not end well");
        }
    }
}

impl Historian {
    fn tell_all(&self, chapters: Vec<Chapter>) {
        for chapter in chapters {
            self.tell(chapter);
        }
    }

    /// Never waits.
    fn tell(&self, chapter: Chapter) {
        if self.orders.try_send(Order::Write(chapter)).is_err() {
            counter!(names::HISTORY_ENTRIES_LOST_TOTAL, "reason" => "full").increment(1);
        }
    }

    /// Where the histories are read, with everything in it that was told until now.
    pub(crate) async fn told(&self) -> &Reader {
        let (answer, written) = oneshot::channel();
        if self.orders.send(Order::Answer(answer)).await.is_ok() {
            // A keeper that has ended has written all it will.
            let _ = written.await;
        }
        &self.reader
    }

    /// The queue, whose new messages are told.
    pub(crate) fn queue(&self, queue: Arc<dyn Queue>) -> Arc<dyn Queue> {
        Arc::new(ToldQueue::new(queue, self.clone()))
    }

    /// The ledger, whose transactions are told.
    pub(crate) fn ledger(&self, ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        Arc::new(ToldLedger::new(ledger, self.clone()))
    }

    /// Who sees the records' ends, which are told.
    pub(crate) fn observer(&self, next: Arc<dyn RecordObserver>) -> Arc<dyn RecordObserver> {
        Arc::new(ToldObserver::new(next, self.clone()))
    }
}
