//! Sends messages to the queue in batches, and again until the queue has taken each of them.
//!
//! A full or failing queue makes the sending slow, the outbox full, and the reading stop: that is back-pressure.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use metrics::counter;
use session_queue::{BATCH_ENTRIES_MAX, BATCH_SIZE_MAX_BYTES, EntryError, Queue, SendEntry, Settled};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    patience::pauses,
    publish::outgoing::{Outgoing, Receipt, name_of},
    quarantine::{
        item::{Finding, QuarantineReason, Testimony},
        keeper::Parking,
    },
    status::Watched,
};
use session_telemetry::names;

/// A message that the queue has accepted.
pub(crate) struct Sent {
    pub(crate) settled: Settled,
    pub(crate) receipt: Receipt,
}

/// The one task that sends.
pub(crate) struct Publisher {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) outbox: mpsc::Receiver<Outgoing>,
    /// Has room for every event that may be unsettled.
    pub(crate) sent: mpsc::Sender<Sent>,
    pub(crate) linger: Duration,
    /// Where a message goes that the queue does not take.
    pub(crate) parking: Parking,
    pub(crate) watched: Watched,
    /// Ends it with messages unsent; otherwise it ends when its outbox is closed and empty.
    pub(crate) abort: CancellationToken,
}

impl Publisher {
    pub(crate) async fn run(mut self) {
        let abort = self.abort.clone();
        abort.run_until_cancelled(self.send_all()).await;
    }

    async fn send_all(&mut self) {
        // Refused messages stay in front, so that they go before anything newer of the same address.
        let mut waiting: VecDeque<Outgoing> = VecDeque::new();
        let mut delays = pauses();
        while self.gather(&mut waiting).await {
            self.watched.status.sending();
            let accepted = self.send_batch(&mut waiting).await;
            self.watched.beat();
            if accepted > 0 {
                self.watched.status.acknowledged(!waiting.is_empty());
                delays = pauses();
            } else if let Some(delay) = delays.next() {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Waits for a first message, then a little for more. False if there will be none.
    async fn gather(&mut self, waiting: &mut VecDeque<Outgoing>) -> bool {
        let deadline = if waiting.is_empty() {
            match self.watched.rest(self.outbox.recv()).await {
                Some(first) => waiting.push_back(first),
                None => return false,
            }
            Instant::now() + self.linger
        } else {
            Instant::now()
        };
        while waiting.len() < BATCH_ENTRIES_MAX {
            match timeout_at(deadline, self.outbox.recv()).await {
                Ok(Some(next)) => waiting.push_back(next),
                Ok(None) | Err(_) => break,
            }
        }
        true
    }

    /// Sends as many of the first messages as fit a batch, and keeps those that were refused. Answers how many are done.
    async fn send_batch(&mut self, waiting: &mut VecDeque<Outgoing>) -> usize {
        let batch: Vec<Outgoing> = waiting.drain(..fitting(waiting)).collect();
        let entries: Vec<SendEntry> = batch.iter().map(|outgoing| outgoing.entry.clone()).collect();
        let answers = match self.queue.send_batch(entries).await {
            Ok(outcome) => outcome.entries,
            Err(error) => {
                counter!(names::LISTENER_SEND_FAILURES_TOTAL).increment(batch.len() as u64);
                if error.is_retryable() {
                    tracing::warn!(queue = self.queue.name(), %error, "the queue did not take a batch; it is sent again");
                } else {
                    tracing::error!(queue = self.queue.name(), %error, "the queue refuses batches; they are sent until it is mended");
                }
                put_back(waiting, batch);
                return 0;
            }
        };
        let mut refused = Vec::new();
        let mut answers = answers.into_iter();
        let mut done = 0;
        for outgoing in batch {
            let settled = match answers.next() {
                Some(Ok(accepted)) => {
                    counter!(names::LISTENER_PUBLISHED_TOTAL, "origin" => outgoing.receipt.origin.name()).increment(1);
                    accepted.settled
                }
                Some(Err(error)) if !error.is_retryable() => {
                    self.park(outgoing, &error).await;
                    done += 1;
                    continue;
                }
                // An entry without an answer is one that the queue has not confirmed.
                Some(Err(_)) | None => {
                    refused.push(outgoing);
                    continue;
                }
            };
            done += 1;
            // The receiver ends after this task, except in an abort, in which nothing is settled any more.
            let _ = self
                .sent
                .send(Sent {
                    settled,
                    receipt: outgoing.receipt,
                })
                .await;
        }
        counter!(names::LISTENER_SEND_FAILURES_TOTAL).increment(refused.len() as u64);
        put_back(waiting, refused);
        done
    }

    /// Has a message kept that the queue refuses for a fault of the message: it must neither vanish nor stop what comes
    /// behind it.
    async fn park(&self, outgoing: Outgoing, error: &EntryError) {
        counter!(names::LISTENER_UNSENDABLE_TOTAL).increment(1);
        let Outgoing { entry, receipt } = outgoing;
        let finding = unsendable(self.queue.name(), error);
        let item = self.parking.scope.message(name_of(&entry), entry, finding);
        self.watched.rest(self.parking.park(item, receipt.settles)).await;
    }
}

/// What a refusal shows.
pub(crate) fn unsendable(queue: &str, error: &EntryError) -> Finding {
    Finding {
        reason: QuarantineReason::Unsendable,
        detail: format!("the queue refuses the message: {error}"),
        evidence: vec![Testimony::now(queue, error)],
    }
}

/// How many of the first messages fit into one batch; at least one.
fn fitting(waiting: &VecDeque<Outgoing>) -> usize {
    let mut bytes = 0;
    let fit = waiting.iter().take(BATCH_ENTRIES_MAX).take_while(|outgoing| {
        bytes += outgoing.entry.size_bytes();
        bytes <= BATCH_SIZE_MAX_BYTES
    });
    fit.count().max(1).min(waiting.len())
}

fn put_back(waiting: &mut VecDeque<Outgoing>, refused: Vec<Outgoing>) {
    for outgoing in refused.into_iter().rev() {
        waiting.push_front(outgoing);
    }
}

#[cfg(test)]
mod tests;
