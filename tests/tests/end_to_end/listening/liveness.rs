//! What is half dead, or hangs, is noticed; what came late counts as late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use session_chain::Endpoint;
use session_listener::ListenerConfig;
use session_message::Origin;
use session_queue::{Queue, QueueError, QueueWrapper, SendEntry, SendOutcome};
use session_telemetry::names;
use session_tests::{
    chain::TestChain,
    deaf_socket::DeafSocket,
    listening::{Collector, LIMIT, Listening, pool, quick_config},
    metrics::{count, metrics, series},
    ports::free_port,
    wait,
};

use super::events::request;

/// A real queue that does not come back from a send while it hangs.
struct Hanging {
    queue: Arc<dyn Queue>,
    hangs: AtomicBool,
}

#[async_trait]
impl QueueWrapper for Hanging {
    fn inner(&self) -> &dyn Queue {
        self.queue.as_ref()
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        while self.hangs.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.queue.send_batch(entries).await
    }
}

pub(crate) async fn a_task_that_hangs_is_named_and_the_others_are_not(chain: Arc<TestChain>) {
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let queue = Arc::new(Hanging {
        queue: collector.queue(),
        hangs: AtomicBool::new(true),
    });
    let config = ListenerConfig {
        hung_after: Duration::from_secs(6),
        ..quick_config()
    };
    let mut listening = Listening::start(config, pool(chain.endpoint()), queue.clone(), folder.path());
    listening.connected().await;
    assert_eq!(listening.pulses().hung(), None);
    let sessions = request(&chain, 2).await;
    let hung = wait::until("a task that hangs", LIMIT, || async { listening.pulses().hung() }).await;
    assert_eq!(hung.task, "publishing");
    queue.hangs.store(false, Ordering::Relaxed);
    collector.all_of(&sessions).await;
    wait::until_true("progress", LIMIT, || async { listening.pulses().hung().is_none() }).await;
    listening.stop().await.unwrap();
}

pub(crate) async fn a_subscription_that_brings_slots_and_no_transactions_is_replaced(chain: Arc<TestChain>) {
    metrics();
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let socket = DeafSocket::start(chain.endpoint().ws).await;
    let endpoint = Endpoint {
        ws: socket.url(),
        ..chain.endpoint()
    };
    let mut listening = Listening::start(quick_config(), pool(endpoint), collector.queue(), folder.path());
    listening.connected().await;
    wait::until_true("another subscription", LIMIT, || async {
        let sessions = request(&chain, 2).await;
        collector.all_of(&sessions).await;
        listening.status().connections > 1
    })
    .await;
    let owes = format!("{}{{reason=\"owes\"}}", names::LISTENER_DISCONNECTS_TOTAL);
    assert!(count(&owes) > 0, "{}", metrics());
    socket.hear();
    wait::until_true("live transactions", LIMIT, || async {
        let sessions = request(&chain, 1).await;
        collector.all_of(&sessions).await;
        let messages = collector.messages();
        messages.iter().any(|message| message.source.origin == Origin::Live)
    })
    .await;
    listening.stop().await.unwrap();
}

pub(crate) async fn what_is_found_late_counts_as_late(chain: Arc<TestChain>) {
    /// More than the deadline of a reservation, and than the second to which blocks tell their time.
    const OUTAGE_SLOTS: u64 = 24;
    metrics();
    let missed = format!("{}{{event=\"SessionReservedEvent\"}}", names::DEADLINE_MISSED_TOTAL);
    let slowest = format!(
        "{}_sum{{event=\"SessionReservedEvent\"}}",
        names::EVENT_PROCESSING_DURATION
    );
    let before = (count(&missed), series(&slowest));
    let sessions = request(&chain, 1).await;
    chain.reserve_session("late").await;
    let requested_at = session_clock::now_utc();
    let slot = chain.rpc().get_slot().await.unwrap();
    // Nobody listens for a while.
    wait::until_true("later slots", LIMIT, || async {
        chain.rpc().get_slot().await.unwrap() > slot + OUTAGE_SLOTS
    })
    .await;
    let outage = session_clock::now_utc() - requested_at;
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let endpoint = Endpoint {
        ws: format!("ws://127.0.0.1:{}", free_port()),
        ..chain.endpoint()
    };
    let listening = Listening::start(quick_config(), pool(endpoint), collector.queue(), folder.path());
    collector.all_of(&sessions).await;
    let observed_at = collector.messages()[0].source.observed_at;
    // Blocks tell their time to the second.
    let tolerance = time::Duration::seconds(2);
    assert!(
        observed_at < requested_at + tolerance,
        "requested at {requested_at}, visible since {observed_at}, after an outage of {outage}"
    );
    wait::until_true("a missed deadline", LIMIT, || async { count(&missed) > before.0 }).await;
    let took = series(&slowest) - before.1;
    assert!(
        took + 2.0 > outage.as_seconds_f64(),
        "{took} s, after an outage of {outage}"
    );
    listening.stop().await.unwrap();
}
