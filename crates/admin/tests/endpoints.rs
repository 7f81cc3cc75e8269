//! The three pages over real connections: their shapes, and that neither a check nor a client can hold them up.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use session_admin::{
    AdminError, Check, CheckFailure, Health, HealthRegistry, Metrics, Pages, Stats, bind, run_checks, serve,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(10);

/// A server with its checks, both stopped at the end of the test.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Served {
    async fn start(checks: Vec<Arc<dyn Check>>, every: Duration, metrics: Option<Metrics>) -> Self {
        let listener = bind(LOCALHOST, 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, stop) = (HealthRegistry::default(), CancellationToken::new());
        let pages = Pages {
            health: health.clone(),
            stats: Arc::new(Stats::default()),
            metrics,
            api: None,
        };
        let checking = tokio::spawn(run_checks(health, every, checks, stop.clone()));
        let serving = tokio::spawn(serve(listener, pages, stop.clone()));
        Self {
            address,
            stop,
            tasks: vec![checking, serving],
        }
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut text))
            .await
            .unwrap()
            .unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// Asks for `/health` until it has a status.
    async fn health_with(&self, status: u16) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask("GET", "/health").await;
            if answer.status == status {
                return serde_json::from_str(&answer.body).unwrap();
            }
            assert!(Instant::now() < deadline, "never {status}: {}", answer.body);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            timeout(PATIENCE, task).await.unwrap().unwrap();
        }
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Fails while told to.
struct Switch(Arc<AtomicBool>);

#[async_trait]
impl Check for Switch {
    fn name(&self) -> &'static str {
        "rpc_slot"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        if self.0.load(Ordering::SeqCst) {
            Err(CheckFailure::new("connection refused"))
        } else {
            Ok(Health::Good)
        }
    }
}

/// Always has a warning.
struct Warns;

#[async_trait]
impl Check for Warns {
    fn name(&self) -> &'static str {
        "wallet_balance"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        Ok(Health::Degraded(String::from("5 lamports")))
    }
}

/// Never answers.
struct Hangs;

#[async_trait]
impl Check for Hangs {
    fn name(&self) -> &'static str {
        "hangs"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn health_follows_its_checks_there_and_back() {
    let down = Arc::new(AtomicBool::new(false));
    let served = Served::start(
        vec![Arc::new(Switch(Arc::clone(&down)))],
        Duration::from_millis(20),
        None,
    )
    .await;
    let healthy = served.health_with(200).await;
    assert_eq!(healthy["status"], "healthy");
    assert_eq!(healthy.as_object().unwrap().len(), 2, "{healthy}");

    let before = session_clock::now_utc().replace_nanosecond(0).unwrap();
    down.store(true, Ordering::SeqCst);
    let unhealthy = served.health_with(503).await;
    assert_eq!(unhealthy["status"], "unhealthy");
    assert_eq!(unhealthy["failed"][0]["check"], "rpc_slot");
    assert_eq!(unhealthy["failed"][0]["reason"], "connection refused");
    let since = OffsetDateTime::parse(unhealthy["failed"][0]["since"].as_str().unwrap(), &Rfc3339).unwrap();
    assert!(since >= before && since <= session_clock::now_utc(), "{since}");

    down.store(false, Ordering::SeqCst);
    served.health_with(200).await;
    served.stop().await;
}

#[tokio::test]
async fn a_check_that_hangs_holds_up_no_answer() {
    let served = Served::start(vec![Arc::new(Hangs), Arc::new(Warns)], Duration::from_secs(30), None).await;
    for _ in 0..20 {
        let asked = Instant::now();
        let answer = served.ask("GET", "/health").await;
        assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains("not checked yet"), "{}", answer.body);
    }
    served.stop().await;
}

#[tokio::test]
async fn a_warning_is_shown_by_a_healthy_service() {
    let served = Served::start(vec![Arc::new(Warns)], Duration::from_secs(30), None).await;
    let healthy = served.health_with(200).await;
    assert_eq!(healthy["status"], "healthy");
    assert_eq!(healthy["degraded"][0]["reason"], "5 lamports");
    served.stop().await;
}

#[tokio::test]
async fn stats_and_metrics_have_their_shapes() {
    let metrics: Metrics = Arc::new(|| String::from("accounts_created_total 3\n"));
    let served = Served::start(Vec::new(), Duration::from_secs(30), Some(metrics)).await;
    let stats: Value = serde_json::from_str(&served.ask("GET", "/stats").await.body).unwrap();
    for key in ["accounts_created", "accounts_failed", "uptime_seconds"] {
        assert!(stats[key].is_u64(), "{key}: {stats}");
    }
    assert_eq!(stats["is_running"], true);

    let page = served.ask("GET", "/metrics").await;
    assert_eq!((page.status, page.body.as_str()), (200, "accounts_created_total 3\n"));
    assert!(
        page.head.contains("content-type: text/plain; version=0.0.4"),
        "{}",
        page.head
    );
    served.stop().await;
}

#[tokio::test]
async fn other_requests_are_told_what_there_is() {
    let served = Served::start(Vec::new(), Duration::from_secs(30), None).await;
    assert_eq!(served.ask("GET", "/").await.status, 404);
    let metrics = served.ask("GET", "/metrics").await;
    assert_eq!(metrics.status, 404);
    assert!(metrics.body.contains("--enable-metrics"), "{}", metrics.body);
    let posted = served.ask("POST", "/stats").await;
    assert_eq!(posted.status, 405);
    assert!(posted.head.contains("allow: get,head"), "{}", posted.head);
    let head = served.ask("HEAD", "/health").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    served.stop().await;
}

/// Clients that keep connections without using them keep nobody out, however many there are.
#[tokio::test]
async fn idle_and_slow_clients_hold_up_nobody() {
    let served = Served::start(Vec::new(), Duration::from_secs(30), None).await;
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /health HTTP/1.1\r\nhost:").await.unwrap();
        }
        idle.push(stream);
        if number % 64 == 63 || number == 299 {
            let asked = Instant::now();
            assert_eq!(served.ask("GET", "/health").await.status, 200);
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn a_service_whose_tasks_are_polled_is_alive_whatever_its_checks_say() {
    let served = Served::start(vec![Arc::new(Hangs)], Duration::from_secs(30), None).await;
    let live = served.ask("GET", "/live").await;
    assert_eq!(live.status, 200, "{}", live.body);
    assert_eq!(served.ask("GET", "/health").await.status, 503);
    assert!(live.head.contains("cache-control: no-store"), "{}", live.head);
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_hold_up_the_end() {
    let served = Served::start(Vec::new(), Duration::from_secs(30), None).await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost:").await.unwrap();
    // The server has taken the first connection once it answers on a second one.
    assert_eq!(served.ask("GET", "/health").await.status, 200);
    let stopped = Instant::now();
    served.stop().await;
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = bind(LOCALHOST, 0).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let Err(error @ AdminError::Bind { .. }) = bind(LOCALHOST, port).await else {
        panic!("bound twice")
    };
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}
