//! Everything that the listener depends on goes away in turn: it lives, says what is away, and makes up for it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use session_tests::{http, tcp_proxy::TcpProxy, wait};
use tokio_util::sync::CancellationToken;

use crate::stage::{LIMIT, Queued, Requested, Stage};

const FEW: usize = 3;
/// How often `/live` is asked.
const BEAT: Duration = Duration::from_millis(200);
/// Seconds that everything stays away, where somebody wants to see it for longer than until the cause is named.
const SECONDS_VARIABLE: &str = "SESSION_TESTS_OUTAGE_SECONDS";
/// Slots that reservations wait for their listener while nothing is heard: more than their deadline.
const LATE_SLOTS: u64 = 20;

pub(crate) async fn each_dependency_in_turn() {
    let stage = Stage::start().await;
    let away = stage.dependencies().await;
    let listener = stage.started(&stage.environment_behind(&away)).await;
    let address = listener.address();
    let heart = Heart::listen(address);
    let mut requested = stage.request_sessions(FEW).await;
    stage.take_all(&requested, &mut Queued::new()).await;

    let both = [&away.rpc, &away.socket];
    let outages: [(&str, &[&TcpProxy], &str); 5] = [
        ("the RPC", &[&away.rpc], "the listener does not get ahead"),
        ("the WebSocket", &[&away.socket], "no notifications come in"),
        ("SQS", &[&away.sqs], "the queue has acknowledged none"),
        ("S3", &[&away.s3], "the watermark cannot be saved"),
        ("the RPC and the socket", &both, "no notifications come in"),
    ];
    let missed = listener.metric("deadline_missed_total").await;
    for (what, proxies, cause) in outages {
        requested.extend(outage(&stage, address, what, proxies, cause).await);
    }
    wait::until_true("deadlines that were missed", LIMIT, || async {
        listener.metric("deadline_missed_total").await > missed
    })
    .await;
    let newest = stage.slot_of(&requested.last().unwrap().1).await;
    wait::until_true("a watermark behind which everything lies", LIMIT, || async {
        stage
            .watermark_in_s3()
            .await
            .is_some_and(|watermark| watermark >= newest)
    })
    .await;
    println!("/live answered {} times, always with 200", heart.stop().await);
    assert!(listener.terminate().await.success(), "the same process");
    stage.stop().await;
}

/// Takes something away, and gives it back when the listener has said so.
async fn outage(stage: &Stage, address: SocketAddr, what: &str, proxies: &[&TcpProxy], cause: &str) -> Vec<Requested> {
    for proxy in proxies {
        proxy.stall();
        proxy.cut();
    }
    let requested = stage.request_sessions(FEW).await;
    stage.chain.reserve_session(&format!("without {what}")).await;
    let slot = stage.chain.rpc().get_slot().await.unwrap();
    let page = wait::until(&format!("/health naming that {what} is away"), LIMIT, || async {
        let page = http::get(address, "/health").await;
        let text = page.json().to_string();
        text.contains(cause).then_some(text)
    })
    .await;
    println!("{what} is away: {page}");
    wait::until_true("an outage that counts", LIMIT, || async {
        stage.chain.rpc().get_slot().await.unwrap() > slot + LATE_SLOTS
    })
    .await;
    let seconds = std::env::var(SECONDS_VARIABLE).map_or(0, |seconds| seconds.parse().unwrap());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    for proxy in proxies {
        proxy.clear();
    }
    stage.take_all(&requested, &mut Queued::new()).await;
    wait::until_true(&format!("health after {what}"), LIMIT, || async {
        http::get(address, "/health").await.status.is_success()
    })
    .await;
    requested
}

/// Asks `/live` all the time.
struct Heart {
    beats: Arc<AtomicU64>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Heart {
    fn listen(address: SocketAddr) -> Self {
        let (beats, stop) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let (counted, stopped) = (Arc::clone(&beats), stop.clone());
        let task = tokio::spawn(async move {
            while stopped.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_some() {
                let page = http::get(address, "/live").await;
                assert!(page.status.is_success(), "{}", page.json());
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { beats, stop, task }
    }

    async fn stop(self) -> u64 {
        self.stop.cancel();
        self.task.await.unwrap();
        self.beats.load(Ordering::Relaxed)
    }
}
