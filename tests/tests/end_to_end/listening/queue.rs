//! The queue refuses entries, or takes nothing for a while.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use session_queue::{Accepted, EntryError, Queue, QueueError, QueueWrapper, SendEntry, SendOutcome};
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
impl QueueWrapper for Unwilling {
    fn inner(&self) -> &dyn Queue {
        self.queue.as_ref()
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
