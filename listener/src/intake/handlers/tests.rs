//! A handler that is slow, fails or panics keeps nobody waiting, and what it does not get is counted.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use session_message::Origin;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::*;
use crate::decode::observed::EventBody;

const LIMITS: HandlerLimits = HandlerLimits {
    backlog_max: 8,
    time: Duration::from_millis(100),
};
const PATIENCE: Duration = Duration::from_secs(30);

/// How a handler behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Good,
    Fails,
    Panics,
    PanicsWhenAsked,
    Slow,
    BlocksForEver,
    Blocks(Duration),
}

struct Behaved {
    way: Way,
    asked: AtomicUsize,
    given: AtomicUsize,
}

impl Behaved {
    fn new(way: Way) -> Arc<Self> {
        Arc::new(Self {
            way,
            asked: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
        })
    }

    async fn given(&self, times: usize) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.given.load(Ordering::SeqCst) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "{:?} was not given {times} events", self.way);
    }
}

#[async_trait]
impl EventHandler for Behaved {
    fn name(&self) -> &'static str {
        "behaved"
    }

    fn wants(&self, event_name: &str) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(self.way != Way::PanicsWhenAsked, "as the test wants");
        event_name != "Unwanted"
    }

    async fn handle(&self, _event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.given.fetch_add(1, Ordering::SeqCst);
        match self.way {
            Way::Good | Way::PanicsWhenAsked => Ok(()),
            Way::Fails => Err("as the test wants".into()),
            Way::Panics => panic!("as the test wants"),
            Way::Slow => std::future::pending().await,
            Way::BlocksForEver => loop {
                block(Duration::from_secs(1));
            },
            Way::Blocks(time) => {
                block(time);
                Ok(())
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a handler must not do is what is tried here"
)]
fn block(time: Duration) {
    std::thread::sleep(time);
}

fn event(name: &str) -> Arc<ObservedEvent> {
    Arc::new(ObservedEvent {
        body: EventBody::Declared {
            name: name.to_owned(),
            fields: Value::Null,
        },
        signature: None,
        slot: 1,
        index: 0,
        observed_at: OffsetDateTime::UNIX_EPOCH,
        origin: Origin::Live,
        requester: None,
    })
}

fn start(handlers: &[Arc<Behaved>]) -> (Dispatcher, Vec<JoinHandle<()>>) {
    let handlers: Vec<Arc<dyn EventHandler>> = handlers.iter().map(|handler| Arc::clone(handler) as _).collect();
    Dispatcher::start(&handlers, LIMITS)
}

/// Whatever a handler does, one beside it is given every event, and whoever dispatches waits for neither.
async fn harms_nobody(way: Way, given: usize) {
    let (bad, good) = (Behaved::new(way), Behaved::new(Way::Good));
    let (dispatcher, tasks) = start(&[Arc::clone(&bad), Arc::clone(&good)]);
    for number in 1..=4 {
        let since = Instant::now();
        dispatcher.dispatch(&event("Wanted"));
        assert!(
            since.elapsed() < Duration::from_millis(50),
            "{way:?} holds the stream up"
        );
        good.given(number).await;
    }
    bad.given(given).await;
    drop(dispatcher);
    for task in tasks.into_iter().skip(1) {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_handler_that_fails_harms_nobody() {
    harms_nobody(Way::Fails, 4).await;
}

#[tokio::test]
async fn a_handler_that_panics_harms_nobody_and_is_given_the_next_event() {
    harms_nobody(Way::Panics, 4).await;
}

#[tokio::test]
async fn a_handler_that_panics_when_asked_what_it_wants_harms_nobody() {
    let (bad, good) = (Behaved::new(Way::PanicsWhenAsked), Behaved::new(Way::Good));
    let (dispatcher, tasks) = start(&[Arc::clone(&bad), Arc::clone(&good)]);
    for _ in 0..3 {
        dispatcher.dispatch(&event("Wanted"));
    }
    good.given(3).await;
    drop(dispatcher);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        bad.asked.load(Ordering::SeqCst),
        3,
        "it is asked again, and panics again"
    );
    assert_eq!(bad.given.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_handler_that_never_ends_harms_nobody_and_is_given_the_next_event() {
    harms_nobody(Way::Slow, 4).await;
}

#[tokio::test]
async fn a_handler_that_blocks_for_ever_harms_nobody_and_is_given_no_more_threads_than_it_may_have() {
    harms_nobody(Way::BlocksForEver, 4).await;
}

#[tokio::test]
async fn a_handler_that_gives_its_threads_back_late_is_given_all_events() {
    let late = Behaved::new(Way::Blocks(LIMITS.time + Duration::from_millis(1_300)));
    let (dispatcher, tasks) = start(&[Arc::clone(&late)]);
    for _ in 0..7 {
        dispatcher.dispatch(&event("Wanted"));
    }
    late.given(7).await;
    drop(dispatcher);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_a_handler_does_not_want_takes_no_room() {
    let handler = Behaved::new(Way::Slow);
    let (dispatcher, _tasks) = start(&[Arc::clone(&handler)]);
    dispatcher.dispatch(&event("Unwanted"));
    dispatcher.dispatch(&event("Wanted"));
    handler.given(1).await;
    for _ in 0..10 * LIMITS.backlog_max {
        dispatcher.dispatch(&event("Unwanted"));
    }
    dispatcher.dispatch(&event("Wanted"));
    handler.given(2).await;
    assert_eq!(handler.asked.load(Ordering::SeqCst), 3, "a no is remembered");
}

#[test]
fn what_finds_no_room_is_dropped_and_counted_and_never_waited_for() {
    let recorder = session_telemetry::prometheus().unwrap();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let stuck = Behaved::new(Way::BlocksForEver);
            let (dispatcher, _tasks) = start(&[Arc::clone(&stuck)]);
            let since = Instant::now();
            for _ in 0..100 {
                dispatcher.dispatch(&event("Wanted"));
            }
            assert!(since.elapsed() < Duration::from_millis(500));
            stuck.given(1).await;
        });
        runtime.shutdown_background();
    });
    let text = handle.render();
    // Eight wait: nobody has taken one out before the hundredth came.
    let dropped = r#"listener_handler_failures_total{handler="behaved",reason="backlog_full"} 92"#;
    assert!(text.contains(dropped), "{text}");
}
