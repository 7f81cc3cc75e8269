//! What no queue will take stops nothing; what a full queue refuses waits for room, and nothing overtakes it.

use session_events::factory::SESSION_FACTORY_ID;
use session_message::Origin;
use session_queue::{InMemoryConfig, InMemoryQueue, ReceiveRequest};
use tokio::{sync::Semaphore, task::JoinHandle};

use super::*;
use crate::{
    checkpoint::settles::Settles,
    quarantine::{
        item::{QuarantineContent, Scope},
        keeper::Keeping,
        place::Quarantine,
    },
    status::Watched,
};

/// A publisher, the real queue that it sends to, and what it says was sent.
struct Post {
    queue: Arc<InMemoryQueue>,
    outbox: mpsc::Sender<Outgoing>,
    sent: mpsc::Receiver<Sent>,
    room: Arc<Semaphore>,
    task: JoinHandle<()>,
    quarantine: Quarantine,
    keeping: Keeping,
}

impl Post {
    fn start(capacity: usize) -> Self {
        let config = |capacity| InMemoryConfig {
            name: "test".to_owned(),
            visibility_timeout: Duration::from_secs(30),
            capacity,
        };
        let (queue, _) = InMemoryQueue::volatile(config(capacity), config(10), 5);
        let queue = Arc::new(queue);
        let (outbox, outgoing) = mpsc::channel(100);
        let (sent_sender, sent) = mpsc::channel(100);
        let quarantine = Quarantine::in_memory();
        let scope = Scope {
            program_id: SESSION_FACTORY_ID,
            genesis_hash: "cluster".to_owned(),
        };
        let (parking, keeping) = Keeping::start(quarantine.clone(), scope);
        let publisher = Publisher {
            queue: queue.clone(),
            outbox: outgoing,
            sent: sent_sender,
            linger: Duration::from_millis(5),
            parking,
            watched: Watched {
                status: Arc::default(),
                pulse: None,
            },
            abort: CancellationToken::new(),
        };
        let task = tokio::spawn(publisher.run());
        Self {
            queue,
            outbox,
            sent,
            room: Arc::new(Semaphore::new(100)),
            task,
            quarantine,
            keeping,
        }
    }

    async fn put(&self, body: &str) {
        let entry = SendEntry {
            body: body.to_owned(),
            attributes: [].into(),
            delay: Duration::ZERO,
        };
        let permit = Arc::clone(&self.room).acquire_owned().await.unwrap();
        let receipt = Receipt {
            settles: Settles::Nothing,
            origin: Origin::Live,
            _permit: permit,
        };
        assert!(self.outbox.send(Outgoing { entry, receipt }).await.is_ok());
    }

    /// Receives and deletes one message.
    async fn take(&self) -> String {
        let request = ReceiveRequest {
            max_messages: 1,
            wait: Duration::from_secs(10),
            visibility_timeout: None,
        };
        let message = self
            .queue
            .receive(request)
            .await
            .unwrap()
            .pop()
            .expect("a message within 10 s");
        self.queue.delete_batch(vec![message.receipt_handle]).await.unwrap();
        message.body
    }
}

#[tokio::test]
async fn a_message_that_no_queue_takes_stops_nothing() {
    let mut post = Post::start(10);
    post.put("before").await;
    post.put("\u{ffff}").await;
    post.put("after").await;
    assert_eq!([post.take().await, post.take().await], ["before", "after"]);
    for _ in 0..2 {
        assert!(
            post.sent.recv().await.unwrap().settled.wait().await,
            "each is done with"
        );
    }
    drop(post.outbox);
    post.task.await.unwrap();
    post.keeping.drain(Duration::from_secs(10)).await.unwrap();
    let kept = post.quarantine.list().await.unwrap();
    let [item] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(item.reason, QuarantineReason::Unsendable);
    assert!(matches!(&item.content, QuarantineContent::Message { body, .. } if body == "\u{ffff}"));
}

#[tokio::test]
async fn a_full_queue_is_waited_for_and_nothing_is_lost() {
    let post = Post::start(2);
    let bodies: Vec<String> = (0..7).map(|number| number.to_string()).collect();
    for body in &bodies {
        post.put(body).await;
    }
    let mut taken = Vec::new();
    for _ in &bodies {
        taken.push(post.take().await);
    }
    assert_eq!(taken, bodies);
    drop(post.outbox);
    post.task.await.unwrap();
}
