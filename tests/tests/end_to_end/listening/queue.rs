//! The queue refuses entries, or takes nothing for a while.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use session_queue::{
    Accepted, BatchOutcome, Depth, EntryError, Queue, QueueError, ReceiptHandle, ReceiveRequest, ReceivedMessage,
    SendEntry, SendOutcome, VisibilityEntry,
};
use session_tests::{
    chain::TestChain,
    listening::{Collector, Listening, pool, quick_config},
};

use super::events::request;

/// A real queue that refuses some of what it is sent.
struct Unwilling {
    queue: Arc<dyn Queue>,
    /// Refuses everything.
    closed: AtomicBool,
    sent: AtomicU64,
    refused: AtomicU64,
}

impl Unwilling {
    fn new(queue: Arc<dyn Queue>) -> Arc<Self> {
        Arc::new(Self {
            queue,
            closed: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    fn refuses(&self) -> bool {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        // Three of every ten, spread out.
        let refuses = self.closed.load(Ordering::Relaxed) || matches!(number % 10, 0 | 4 | 7);
        self.refused.fetch_add(u64::from(refuses), Ordering::Relaxed);
        refuses
    }
}

#[async_trait]
impl Queue for Unwilling {
    fn name(&self) -> &'static str {
        "unwilling"
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        let mut answers: Vec<Result<Accepted, EntryError>> = Vec::new();
        for entry in entries {
            if self.refuses() {
                let message = "as the test wants".to_owned();
                answers.push(Err(EntryError::Refused {
                    code: "Throttled".to_owned(),
                    message,
                    sender_fault: false,
                }));
            } else {
                answers.append(&mut self.queue.send_batch(vec![entry]).await?.entries);
            }
        }
        Ok(SendOutcome { entries: answers })
    }

    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.queue.receive(request).await
    }

    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        self.queue.change_visibility_batch(entries).await
    }

    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        self.queue.delete_batch(receipt_handles).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
}

pub(crate) async fn refused_entries_are_sent_again(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let queue = Unwilling::new(collector.queue());
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), queue.clone(), folder.path());
    listening.connected().await;
    let sessions = request(&chain, 20).await;
    collector.all_of(&sessions).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();
    assert!(queue.refused.load(Ordering::Relaxed) >= 6);
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
}

pub(crate) async fn the_watermark_waits_for_a_closed_queue(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let queue = Unwilling::new(collector.queue());
    queue.closed.store(true, Ordering::Relaxed);
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), queue.clone(), folder.path());
    listening.connected().await;
    let before = chain.rpc().get_slot().await.unwrap();
    let sessions = request(&chain, 3).await;
    let after = chain.rpc().get_slot().await.unwrap();
    // Long enough for the watermark to pass, if it could.
    listening
        .until("later slots", |status| {
            status.last_slot.is_some_and(|slot| slot > after + 20)
        })
        .await;
    assert!(
        listening.status().watermark_slot.unwrap() <= before + 1,
        "the watermark is ahead of the queue"
    );
    assert!(collector.messages().is_empty());
    queue.closed.store(false, Ordering::Relaxed);
    collector.all_of(&sessions).await;
    listening.watermark_at(after).await;
    listening.stop().await.unwrap();
}
