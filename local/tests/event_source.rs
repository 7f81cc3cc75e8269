//! The event source as AWS documents its event source mapping: what a response deletes, what fails a whole batch, how
//! batches are gathered and how many run at once. The clock is tokio's, paused: hours pass in no time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use session_builder::{
    event_source::{EventSource, EventSourceConfig},
    invoker::{InvokeError, Invoker},
};
use session_queue::{InMemoryConfig, InMemoryQueue, Queue, SendEntry};
use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(1);
const WINDOW: Duration = Duration::from_secs(1);

/// What the function answers to a batch of bodies: the bodies that failed, ids that it names besides, or no answer.
enum Script {
    Fails(&'static [&'static str]),
    Names(&'static str),
    Breaks,
}

/// A function that answers by its script and keeps what it was given.
struct Function {
    script: Script,
    batches: Mutex<Vec<Vec<(String, String)>>>,
    gate: Semaphore,
}

#[async_trait]
impl Invoker for Function {
    async fn invoke(&self, event: SqsEvent, _deadline: Instant) -> Result<SqsBatchResponse, InvokeError> {
        let attribute = |record: &aws_lambda_events::event::sqs::SqsMessage| {
            let count = record.attributes["ApproximateReceiveCount"].clone();
            (record.body.clone().unwrap(), count)
        };
        self.batches
            .lock()
            .unwrap()
            .push(event.records.iter().map(attribute).collect());
        self.gate.acquire().await.unwrap().forget();
        let mut response = SqsBatchResponse::default();
        match self.script {
            Script::Breaks => return Err(InvokeError::TimedOut(Duration::ZERO)),
            Script::Names(id) => response.add_failure(id),
            Script::Fails(bodies) => {
                for record in event.records {
                    if bodies.contains(&record.body.as_deref().unwrap()) {
                        response.add_failure(record.message_id.unwrap());
                    }
                }
            }
        }
        Ok(response)
    }
}

struct Bench {
    queue: Arc<InMemoryQueue>,
    function: Arc<Function>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Bench {
    /// A source whose function may answer `answers` times.
    async fn start(script: Script, bodies: &[&str], answers: usize, max_concurrency: usize) -> Self {
        let config = |name: &str| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: VISIBILITY_TIMEOUT,
            capacity: 1_000,
        };
        let (queue, _) = InMemoryQueue::volatile(config("queue"), config("dead-letters"), 5);
        let queue = Arc::new(queue);
        for body in bodies {
            let entry = SendEntry {
                body: (*body).to_owned(),
                attributes: BTreeMap::new(),
                delay: Duration::ZERO,
            };
            queue.send_batch(vec![entry]).await.unwrap().entries.remove(0).unwrap();
        }
        let function = Arc::new(Function {
            script,
            batches: Mutex::default(),
            gate: Semaphore::new(answers),
        });
        let source = EventSource::new(
            Arc::clone(&queue) as Arc<dyn Queue>,
            Arc::clone(&function) as Arc<dyn Invoker>,
            EventSourceConfig {
                batch_size: 3,
                batch_window: WINDOW,
                max_concurrency,
                function_timeout: Duration::from_secs(10),
                visibility_timeout: VISIBILITY_TIMEOUT,
            },
        );
        let stop = CancellationToken::new();
        let running = tokio::spawn(source.run(stop.clone()));
        Self {
            queue,
            function,
            stop,
            running,
        }
    }

    fn batches(&self) -> Vec<Vec<(String, String)>> {
        self.function.batches.lock().unwrap().clone()
    }

    async fn invocations(&self, count: usize) {
        let until = tokio::time::Instant::now() + Duration::from_hours(1);
        while self.batches().len() < count {
            assert!(
                tokio::time::Instant::now() < until,
                "{count} invocations, not {:?}",
                self.batches()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn end(self) -> u64 {
        self.stop.cancel();
        self.running.await.unwrap();
        self.queue.depth().await.unwrap().total()
    }
}

fn given(bodies: &[&str], receive_count: &str) -> Vec<(String, String)> {
    bodies
        .iter()
        .map(|body| ((*body).to_owned(), receive_count.to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn only_what_the_response_names_comes_again() {
    let bench = Bench::start(Script::Fails(&["b"]), &["a", "b", "c"], 2, 1).await;
    bench.invocations(2).await;
    assert_eq!(bench.batches(), [given(&["a", "b", "c"], "1"), given(&["b"], "2")]);
    assert_eq!(bench.end().await, 1, "the others are deleted");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_names_an_unknown_or_empty_record_fails_the_whole_batch() {
    for id in ["nobody", ""] {
        let bench = Bench::start(Script::Names(id), &["a", "b"], 1, 1).await;
        bench.invocations(2).await;
        assert_eq!(
            bench.batches(),
            [given(&["a", "b"], "1"), given(&["a", "b"], "2")],
            "{id:?}"
        );
        bench.function.gate.add_permits(1);
        assert_eq!(bench.end().await, 2, "nothing is deleted");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_fails_comes_again_after_the_visibility_timeout() {
    let started = tokio::time::Instant::now();
    let bench = Bench::start(Script::Breaks, &["a"], 2, 1).await;
    bench.invocations(2).await;
    assert!(started.elapsed() >= VISIBILITY_TIMEOUT, "{:?}", started.elapsed());
    assert_eq!(bench.batches(), [given(&["a"], "1"), given(&["a"], "2")]);
    assert_eq!(bench.end().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_sent_when_it_is_full_and_no_more_run_at_once_than_allowed() {
    let bench = Bench::start(Script::Fails(&[]), &["a", "b", "c", "d", "e", "f", "g"], 0, 2).await;
    bench.invocations(2).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(
        bench.batches(),
        [given(&["a", "b", "c"], "1"), given(&["d", "e", "f"], "1")],
        "the third batch waits"
    );
    bench.function.gate.add_permits(10);
    bench.invocations(3).await;
    assert_eq!(bench.batches()[2], given(&["g"], "1"));
    assert_eq!(bench.end().await, 0, "stopping waits for what runs");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_full_waits_for_its_window() {
    let bench = Bench::start(Script::Fails(&[]), &["a"], 10, 1).await;
    let entry = SendEntry {
        body: String::from("b"),
        attributes: BTreeMap::new(),
        delay: WINDOW / 2,
    };
    bench
        .queue
        .send_batch(vec![entry])
        .await
        .unwrap()
        .entries
        .remove(0)
        .unwrap();
    bench.invocations(1).await;
    assert_eq!(bench.batches(), [given(&["a", "b"], "1")]);
    assert_eq!(bench.end().await, 0);
}
