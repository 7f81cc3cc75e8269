//! How the listener ends.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use session_tests::{chain::TestChain, listener_process::ListenerProcess, tcp_proxy::TcpProxy, wait};
use tokio_util::sync::CancellationToken;

use crate::stage::{LIMIT, Queued, Requested, Stage};

/// A container that has not ended by then is killed.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// Less than any drain of a queue that does not answer takes.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Sessions that are requested before something happens.
const FEW: usize = 5;
/// Sessions that traffic requests at a time.
const AT_A_TIME: usize = 3;

pub(crate) async fn sigterm_in_mid_traffic() {
    let stage = Stage::start().await;
    let listener = stage.listener(stage.aws()).await;
    let traffic = Traffic::start(Arc::clone(&stage.chain));
    traffic.grow(4 * FEW).await;
    listener.signal("TERM").await;
    assert_eq!(listener.ended(SHUTDOWN_LIMIT).await.code(), Some(0));

    let mut queued = Queued::new();
    stage.take(&mut queued).await;
    assert!(!queued.is_empty());
    assert_all_before_the_watermark(&stage, &traffic.requested(), &queued).await;

    traffic.grow(2 * FEW).await;
    let requested = traffic.stop().await;
    assert!(
        queued.len() < requested.len(),
        "some were requested while nobody listened"
    );
    let next = stage.listener(stage.aws()).await;
    stage.take_all(&requested, &mut queued).await;
    assert_eq!(queued.len(), requested.len());
    assert!(next.terminate().await.success());
    stage.stop().await;
}

pub(crate) async fn sigterm_while_sqs_is_silent() {
    let stage = Stage::start().await;
    let proxy = stage.proxy().await;
    let (listener, requested) = listener_that_cannot_send(&stage, &proxy).await;
    listener.signal("TERM").await;
    assert_eq!(listener.ended(SHUTDOWN_LIMIT).await.code(), Some(0));
    let mut queued = Queued::new();
    stage.take(&mut queued).await;
    assert!(queued.is_empty(), "nothing could be sent");
    assert_all_before_the_watermark(&stage, &requested, &queued).await;

    proxy.clear();
    let next = stage.listener(&url(&proxy)).await;
    stage.take_all(&requested, &mut queued).await;
    assert!(next.terminate().await.success());
    stage.stop().await;
}

pub(crate) async fn sigterm_while_s3_is_silent() {
    let stage = Stage::start().await;
    let proxy = stage.proxy().await;
    let listener = stage.listener_with_s3(&url(&proxy)).await;
    proxy.stall();
    proxy.cut();
    let accepted = proxy.accepted();
    stage.request_sessions(FEW).await;
    wait::until_true("a save of the watermark", LIMIT, || async {
        proxy.accepted() > accepted
    })
    .await;
    listener.signal("TERM").await;
    assert_eq!(listener.ended(SHUTDOWN_LIMIT).await.code(), Some(0));
    stage.stop().await;
}

pub(crate) async fn second_signal() {
    const STOPPED: i32 = 130;
    let stage = Stage::start().await;
    let proxy = stage.proxy().await;
    let (listener, _) = listener_that_cannot_send(&stage, &proxy).await;
    // Of one kind, a second could arrive as one with the first.
    listener.signal("TERM").await;
    listener.signal("INT").await;
    assert_eq!(listener.ended(AT_ONCE).await.code(), Some(STOPPED));
    stage.stop().await;
}

/// A listener that has read some sessions, while the queue is silent.
async fn listener_that_cannot_send(stage: &Stage, proxy: &TcpProxy) -> (ListenerProcess, Vec<Requested>) {
    let listener = stage.listener(&url(proxy)).await;
    proxy.stall();
    let requested = stage.request_sessions(FEW).await;
    wait::until_true("all requests read", LIMIT, || async {
        listener.metric("listener_transactions_total").await >= FEW as u64
    })
    .await;
    (listener, requested)
}

/// Fails if there is no saved watermark, or if it has passed what was not queued.
async fn assert_all_before_the_watermark(stage: &Stage, requested: &[Requested], queued: &Queued) {
    let watermark = stage.watermark_in_folder().await.unwrap();
    for (request, signature) in requested {
        let slot = stage.slot_of(signature).await;
        assert!(
            slot > watermark || queued.contains_key(&request.session_id),
            "{} of slot {slot} is behind the watermark at {watermark} and not queued",
            request.session_id
        );
    }
}

fn url(proxy: &TcpProxy) -> String {
    format!("http://{}", proxy.address())
}

/// Sessions that are requested all the time.
struct Traffic {
    requested: Arc<Mutex<Vec<Requested>>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Traffic {
    fn start(chain: Arc<TestChain>) -> Self {
        let (requested, stop) = (Arc::<Mutex<Vec<Requested>>>::default(), CancellationToken::new());
        let (into, stopped) = (Arc::clone(&requested), stop.clone());
        let task = tokio::spawn(async move {
            while !stopped.is_cancelled() {
                let batch = futures::future::join_all((0..AT_A_TIME).map(|_| chain.request_session())).await;
                into.lock().unwrap().extend(batch);
            }
        });
        Self { requested, stop, task }
    }

    /// What is confirmed so far.
    fn requested(&self) -> Vec<Requested> {
        self.requested.lock().unwrap().clone()
    }

    /// Waits until so many more are confirmed.
    async fn grow(&self, by: usize) {
        let enough = self.requested().len() + by;
        wait::until_true("traffic", LIMIT, || async { self.requested().len() >= enough }).await;
    }

    /// Ends it, and gives all that was requested.
    async fn stop(self) -> Vec<Requested> {
        self.stop.cancel();
        self.task.await.unwrap();
        Arc::into_inner(self.requested).unwrap().into_inner().unwrap()
    }
}
