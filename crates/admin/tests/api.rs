//! The API over real connections: anybody may look, and only who shows the token changes something.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::{Value, json};
use session_admin::{
    Api, HealthRegistry, Letter, LetterFilter, Moved, OperationError, Operations, Pages, QuarantineFilter, Quarantined,
    ServiceStatus, Stats, TOKEN_FILE, Token, bind, serve,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// A service with two letters, which counts what it was told to change.
#[derive(Default)]
struct Service {
    changes: AtomicUsize,
}

fn letter(id: &str, reason: &str) -> Letter {
    Letter {
        id: id.to_owned(),
        reason: Some(reason.to_owned()),
        sentence: String::from("why"),
        session_id: None,
        pda: None,
        owner: None,
        attempts: Some(5),
        last_signature: None,
        since: None,
        age_secs: Some(1),
        body: String::from("{}"),
    }
}

fn quarantined(id: &str, reason: &str) -> Quarantined {
    Quarantined {
        id: id.to_owned(),
        reason: reason.to_owned(),
        detail: String::from("why"),
        kind: String::from("transaction"),
        slot: Some(7),
        program_id: String::new(),
        genesis_hash: String::new(),
        attempts: 1,
        since: None,
        age_secs: 1,
        next_try: None,
        evidence: Vec::new(),
        body: None,
    }
}

#[async_trait]
impl Operations for Service {
    async fn status(&self) -> ServiceStatus {
        ServiceStatus {
            version: String::from("0"),
            pid: 1,
            uptime_secs: 1,
            chain: String::from("http://127.0.0.1"),
            program_id: String::new(),
            health: json!({}),
            stats: json!({}),
            queue_waiting: None,
            queue_in_flight: None,
            dead_letters: Some(2),
            watermark_slot: None,
            last_slot: None,
            connected: true,
            wallets: Vec::new(),
        }
    }

    async fn dead_letters(&self, filter: &LetterFilter) -> Result<Vec<Letter>, OperationError> {
        let all = [letter("a", "bad_body"), letter("b", "rpc_error")];
        Ok(all
            .into_iter()
            .filter(|letter| filter.matches(letter))
            .take(filter.limit())
            .collect())
    }

    async fn redrive(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError> {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let matched = self.dead_letters(filter).await?.len();
        Ok(Moved {
            dry_run,
            matched,
            done: matched,
            refused: Vec::new(),
        })
    }

    async fn purge(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError> {
        self.redrive(filter, dry_run).await
    }

    async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        Ok(filter.of(vec![quarantined("1sig", "withheld"), quarantined("2sig", "unreadable")]))
    }

    async fn quarantine_retry(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.quarantine(filter).await
    }

    async fn quarantine_release(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        self.quarantine_retry(filter).await
    }

    async fn inspect(&self, what: &str) -> Result<Value, OperationError> {
        Err(OperationError::NotFound(format!("nothing is known of {what:?}")))
    }
}

struct Served {
    address: SocketAddr,
    service: Arc<Service>,
    token: Token,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (service, stop) = (Arc::new(Service::default()), CancellationToken::new());
        let token = Token::create(folder.path()).unwrap();
        let pages = Pages {
            health: HealthRegistry::default(),
            stats: Arc::new(Stats::default()),
            metrics: None,
            api: Some(Api {
                operations: Arc::clone(&service) as _,
                token: token.clone(),
            }),
        };
        let task = tokio::spawn(serve(listener, pages, stop.clone()));
        Self {
            address,
            service,
            token,
            stop,
            task,
            folder,
        }
    }

    async fn ask(&self, head: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(&format!("GET /api/v1{path} HTTP/1.1"), "").await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn anybody_may_look() {
    let served = Served::start().await;
    assert_eq!(served.get("/status").await.1["dead_letters"], 2);
    assert_eq!(served.get("/dead-letters").await.1.as_array().unwrap().len(), 2);
    let (status, letters) = served.get("/dead-letters?reason=rpc_error&limit=5").await;
    assert_eq!((status, &letters[0]["id"]), (200, &json!("b")));
    assert_eq!(served.get("/dead-letters/a").await.1["reason"], "bad_body");
    assert_eq!(served.get("/dead-letters/x").await.0, 404);
    assert_eq!(served.get("/dead-letters?colour=red").await.0, 400);
    assert_eq!(served.get("/quarantine").await.1.as_array().unwrap().len(), 2);
    assert_eq!(served.get("/quarantine?reason=unreadable").await.1[0]["id"], "2sig");
    assert_eq!(served.get("/quarantine/1sig").await.1["reason"], "withheld");
    assert_eq!(served.get("/quarantine/3sig").await.0, 404);
    assert_eq!(served.get("/sessions/x").await.0, 404);
    served.stop().await;
}

#[tokio::test]
async fn only_who_shows_the_token_changes_the_quarantine() {
    let served = Served::start().await;
    for operation in ["retry", "release"] {
        let head = format!("POST /api/v1/quarantine/{operation} HTTP/1.1");
        assert_eq!(served.ask(&head, r#"{"filter":{}}"#).await.0, 401, "{operation}");
    }
    assert_eq!(served.service.changes.load(Ordering::SeqCst), 0);
    let head = "POST /api/v1/quarantine/release HTTP/1.1";
    let shown = format!("{head}\r\nauthorization: {}", served.token.bearer());
    let (status, released) = served.ask(&shown, r#"{"filter":{"ids":["2sig"]}}"#).await;
    assert_eq!(
        (status, &released[0]["id"], released.as_array().unwrap().len()),
        (200, &json!("2sig"), 1)
    );
    assert_eq!(served.ask(&shown, "{}").await.0, 400, "nothing is not everything");
    assert_eq!(served.service.changes.load(Ordering::SeqCst), 1);
    served.stop().await;
}

#[tokio::test]
async fn only_who_shows_the_token_changes_something() {
    let served = Served::start().await;
    let head = "POST /api/v1/dead-letters/redrive HTTP/1.1";
    assert_eq!(served.ask(head, "{}").await.0, 401);
    assert_eq!(
        served.ask(&format!("{head}\r\nauthorization: Bearer x"), "{}").await.0,
        401
    );
    assert_eq!(served.service.changes.load(Ordering::SeqCst), 0);
    let shown = format!("{head}\r\nauthorization: {}", served.token.bearer());
    let (status, moved) = served.ask(&shown, r#"{"filter":{"ids":["a"]},"dry_run":true}"#).await;
    assert_eq!(
        (status, &moved["matched"], &moved["dry_run"]),
        (200, &json!(1), &json!(true))
    );
    assert_eq!(served.ask(&shown, r#"{"filters":{}}"#).await.0, 400);
    assert_eq!(served.ask(&shown, &"x".repeat(100_000)).await.0, 413);
    assert_eq!(served.service.changes.load(Ordering::SeqCst), 1);
    let mode = std::fs::metadata(served.folder.path().join(TOKEN_FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        Token::read(served.folder.path()).unwrap().bearer(),
        served.token.bearer()
    );
    served.stop().await;
}
