//! A listener of its own on a test's chain, with a queue whose messages are all kept for the test to look at.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use session_admin::Pulses;
use session_chain::{CommitmentConfig, Endpoint, RetryPolicy, RpcPool};
use session_listener::{
    EventHandler, Lasting, Listener, ListenerConfig, ListenerError, ListenerStatus, Quarantine, ReconcileConfig,
    Served, StartAt, Watermarks,
};
use session_message::Message;
use session_queue::{InMemoryConfig, InMemoryQueue, Queue, ReceiveRequest};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::wait;

/// How long a test waits for what should take seconds, on a machine that has others' work to do.
pub const LIMIT: Duration = Duration::from_mins(3);

/// A queue in memory, and somebody who takes every message out of it.
pub struct Collector {
    queue: Arc<InMemoryQueue>,
    messages: Arc<Mutex<Vec<Message>>>,
    stop: CancellationToken,
}

impl Collector {
    /// An empty queue whose messages are taken out at once.
    #[must_use]
    pub fn start() -> Self {
        let config = |name: &str| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: Duration::from_mins(1),
            capacity: 100_000,
        };
        let (queue, _) = InMemoryQueue::volatile(config("sessions"), config("dead-letters"), 5);
        let queue = Arc::new(queue);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        tokio::spawn(collect(Arc::clone(&queue), Arc::clone(&messages), stop.clone()));
        Self { queue, messages, stop }
    }

    /// The queue to publish to.
    #[must_use]
    pub fn queue(&self) -> Arc<dyn Queue> {
        self.queue.clone()
    }

    /// Everything that was queued so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// How often each session was queued so far.
    #[must_use]
    pub fn sessions(&self) -> BTreeMap<String, usize> {
        let mut sessions = BTreeMap::new();
        for message in self.messages() {
            *sessions.entry(message.event.session_id).or_default() += 1;
        }
        sessions
    }

    /// Waits until each of these sessions was queued at least once.
    pub async fn all_of(&self, session_ids: &[String]) {
        wait::until_true(&format!("{} queued sessions", session_ids.len()), LIMIT, || async {
            let queued = self.sessions();
            session_ids.iter().all(|session_id| queued.contains_key(session_id))
        })
        .await;
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn collect(queue: Arc<InMemoryQueue>, messages: Arc<Mutex<Vec<Message>>>, stop: CancellationToken) {
    let request = ReceiveRequest {
        max_messages: 10,
        wait: Duration::from_secs(1),
        visibility_timeout: None,
    };
    while let Some(received) = stop.run_until_cancelled(queue.receive(request)).await {
        for message in received.unwrap() {
            messages
                .lock()
                .unwrap()
                .push(Message::from_json(&message.body).unwrap());
            queue.delete_batch(vec![message.receipt_handle]).await.unwrap();
        }
    }
}

/// A configuration that is quick to notice everything. Nothing is compared with account state, so that what the listening
/// loses is lost.
#[must_use]
pub fn quick_config() -> ListenerConfig {
    ListenerConfig {
        start_at: StartAt::Genesis,
        listing_interval: Duration::from_secs(1),
        listing_interval_complete: Duration::from_secs(1),
        silence_limit: Duration::from_secs(3),
        connect_timeout: Duration::from_secs(2),
        watermark_interval: Duration::from_millis(200),
        comparison_interval: Duration::from_secs(1),
        reconcile: ReconcileConfig {
            interval: None,
            ..ReconcileConfig::default()
        },
        ..ListenerConfig::default()
    }
}

/// An RPC pool over one endpoint.
#[must_use]
pub fn pool(endpoint: Endpoint) -> RpcPool {
    pool_over(vec![endpoint])
}

/// An RPC pool over several endpoints.
#[must_use]
pub fn pool_over(endpoints: Vec<Endpoint>) -> RpcPool {
    let retry = RetryPolicy {
        max_tries: 2,
        ..RetryPolicy::default()
    };
    RpcPool::new(endpoints, CommitmentConfig::confirmed(), retry, Duration::from_secs(5)).unwrap()
}

/// What a listener keeps in a folder.
#[must_use]
pub fn lasting_in(folder: &Path) -> Lasting {
    Lasting {
        watermarks: Watermarks::folder(&folder.join("cursors")).unwrap(),
        quarantine: Quarantine::folder(&folder.join("quarantine")).unwrap(),
        served: Served::folder(&folder.join("served")).unwrap(),
    }
}

/// A running listener.
pub struct Listening {
    status: watch::Receiver<ListenerStatus>,
    pulses: Pulses,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ListenerError>>,
}

impl Listening {
    /// Starts a listener that keeps its watermark in `folder`.
    pub fn start(config: ListenerConfig, pool: RpcPool, queue: Arc<dyn Queue>, folder: &Path) -> Self {
        Self::start_with(config, pool, queue, folder, Vec::new())
    }

    /// The same with handlers.
    pub fn start_with(
        config: ListenerConfig,
        pool: RpcPool,
        queue: Arc<dyn Queue>,
        folder: &Path,
        handlers: Vec<Arc<dyn EventHandler>>,
    ) -> Self {
        let lasting = lasting_in(folder);
        let listener = Listener::new(config, pool, queue, lasting, handlers).unwrap();
        let (status, pulses) = (listener.status(), listener.pulses());
        let stop = CancellationToken::new();
        let task = tokio::spawn(listener.run(stop.clone()));
        Self {
            status,
            pulses,
            stop,
            task,
        }
    }

    /// What the listener says about itself.
    #[must_use]
    pub fn status(&self) -> ListenerStatus {
        self.status.borrow().clone()
    }

    /// Whether its tasks make progress.
    #[must_use]
    pub fn pulses(&self) -> &Pulses {
        &self.pulses
    }

    /// Waits until the listener says so about itself.
    pub async fn until(&mut self, what: &str, condition: impl Fn(&ListenerStatus) -> bool) {
        let reached = tokio::time::timeout(LIMIT, self.status.wait_for(|status| condition(status))).await;
        assert!(matches!(reached, Ok(Ok(_))), "waited {LIMIT:?} in vain for: {what}");
    }

    /// Waits until the subscription stands.
    pub async fn connected(&mut self) {
        self.until("a subscription", |status| {
            status.connected && status.watermark_slot.is_some()
        })
        .await;
    }

    /// Waits until the saved watermark has reached a slot.
    pub async fn watermark_at(&mut self, slot: u64) {
        self.until("the watermark", |status| {
            status.watermark_slot.is_some_and(|watermark| watermark >= slot)
        })
        .await;
    }

    /// Ends the listener as a shutdown does.
    ///
    /// # Errors
    /// Why the listener failed, if it did.
    pub async fn stop(self) -> Result<(), ListenerError> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}
