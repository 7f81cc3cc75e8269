//! Whoever is alerted hears of it, can tell who says so, and cannot get in the way.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::process::{LIMIT, Run, configured_chain, page};

const SECRET: &str = "the-key-of-the-signature";

/// A request as it came.
#[derive(Debug, Clone)]
struct Told {
    signature: String,
    body: String,
}

/// How a webhook answers.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// It fails the first time, and takes the second.
    FailsOnce,
    Fails,
    /// It takes the connection and says nothing.
    IsSilent,
}

/// A webhook on this machine.
struct Webhook {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
    calls: Arc<Mutex<u64>>,
}

impl Webhook {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/TOKENTOKENTOKEN", listener.local_addr().unwrap());
        let (told, calls) = (Arc::<Mutex<Vec<Told>>>::default(), Arc::<Mutex<u64>>::default());
        let (kept, counted) = (Arc::clone(&told), Arc::clone(&calls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let call = {
                    let mut calls = counted.lock().unwrap();
                    *calls += 1;
                    *calls
                };
                tokio::spawn(serve(stream, answer, call, Arc::clone(&kept)));
            }
        });
        Self { url, told, calls }
    }

    /// Waits until alerts of these kinds have come, each signed as it should be.
    async fn heard(&self, kinds: &[(&str, &str)]) {
        let wanted: BTreeSet<(String, String)> = kinds
            .iter()
            .map(|(kind, state)| ((*kind).to_owned(), (*state).to_owned()))
            .collect();
        let begun = Instant::now();
        loop {
            let told = self.told.lock().unwrap().clone();
            let heard: BTreeSet<(String, String)> = told.iter().map(verified).collect();
            if wanted.is_subset(&heard) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{wanted:?} is not in {heard:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Which alert it is; fails where anybody else could have sent it.
fn verified(told: &Told) -> (String, String) {
    let (time, signature) = told.signature.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.{}", told.body).as_bytes());
    let expected: Vec<u8> = (0..signature.len())
        .step_by(2)
        .map(|place| u8::from_str_radix(&signature[place..place + 2], 16).unwrap())
        .collect();
    mac.verify_slice(&expected).unwrap();
    let now = session_clock::epoch_secs(session_clock::now());
    assert!(now.abs_diff(time.parse().unwrap()) < 60, "{told:?}");
    let body: Value = serde_json::from_str(&told.body).unwrap();
    assert!(!body["text"].as_str().unwrap().is_empty(), "{body}");
    assert!(
        body["command"].as_str().unwrap().starts_with("session-builder "),
        "{body}"
    );
    let field = |name: &str| body[name].as_str().unwrap().to_owned();
    (field("alert"), field("state"))
}

async fn serve(mut stream: TcpStream, answer: Answer, call: u64, told: Arc<Mutex<Vec<Told>>>) {
    let mut request = Vec::new();
    let body = loop {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .into_iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length").unwrap().parse().unwrap();
        if body.len() >= length {
            break Told {
                signature: header("x-session-builder-signature").unwrap(),
                body: body.to_owned(),
            };
        }
    };
    let status = match answer {
        Answer::IsSilent => return tokio::time::sleep(LIMIT).await,
        Answer::FailsOnce if call == 1 => "503 Service Unavailable",
        Answer::Fails => "500 Internal Server Error",
        Answer::FailsOnce => {
            told.lock().unwrap().push(body);
            "204 No Content"
        }
    };
    // Whoever called may have gone.
    let _ = stream
        .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
        .await;
}

fn variables(webhook: &Webhook) -> Vec<(&str, &str)> {
    vec![
        ("SESSION_BUILDER__ALERTS__WEBHOOK_URL", webhook.url.as_str()),
        ("SESSION_BUILDER__ALERTS__WEBHOOK_SECRET", SECRET),
        ("SESSION_BUILDER__ALERTS__UNHEALTHY_AFTER", "1s"),
        ("SESSION_BUILDER__ALERTS__WATERMARK_AFTER", "3s"),
        ("SESSION_BUILDER__MONITORING__HEALTH_CHECK_INTERVAL_SECS", "1"),
        // The second and third session are too large.
        ("SESSION_BUILDER__POLICY__SIZE_MAX_BYTES", "200"),
        // The wallet has 1,000 SOL.
        ("SESSION_BUILDER__POLICY__WALLET_LOW_LAMPORTS", "2000000000000"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_told_signed_and_again_where_they_were_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let webhook = Webhook::start(Answer::FailsOnce).await;
    let mut run = Run::start_in(&variables(&webhook), &["--config", &config, "--log-level", "debug"]);
    let errors = tokio::spawn(run.errors_to_the_end());
    let address = run.pages().await;
    run.line_of("listening").await;
    traffic.request(2).await.unwrap();
    run.line_of("dead-letter ").await;
    webhook
        .heard(&[("wallet_low", "firing"), ("dead_letter", "firing")])
        .await;
    // The chain goes away: nothing is healthy, and the watermark stands.
    chain.stop().unwrap();
    webhook
        .heard(&[("unhealthy", "firing"), ("watermark_stands", "firing")])
        .await;
    let (_, metrics) = page(address, "/metrics").await;
    assert!(!metrics.contains("alerts_total{outcome=\"told\"} 0\n"), "{metrics}");
    run.interrupt().await;
    run.rest().await;
    run.end().await;
    let errors = errors.await.unwrap();
    assert!(
        !errors.contains("TOKENTOKENTOKEN") && !errors.contains(SECRET),
        "{errors}"
    );
}

/// With a webhook that fails, one that is silent, and none, the same sessions end in the same way.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_or_is_silent_changes_nothing() {
    for answer in [Answer::Fails, Answer::IsSilent] {
        let folder = tempfile::tempdir().unwrap();
        let (chain, traffic, config) = configured_chain(folder.path()).await;
        let webhook = Webhook::start(answer).await;
        let mut run = Run::start_in(&variables(&webhook), &["--config", &config]);
        let address = run.pages().await;
        run.line_of("listening").await;
        // 208 bytes, then 184.
        traffic.request(2).await.unwrap();
        run.line_of("dead-letter ").await;
        for number in [1, 5, 9, 13] {
            traffic.request(number).await.unwrap();
            let line = run.line_of("verified ").await;
            assert!(line.contains(" attempt=1 "), "{line}");
        }
        let asked = Instant::now();
        let (status, body) = page(address, "/health").await;
        assert_eq!(status, 200, "{answer:?}: {body}");
        assert!(asked.elapsed() < Duration::from_millis(500), "{answer:?}");
        assert!(
            *webhook.calls.lock().unwrap() > 0,
            "{answer:?}: somebody was to be alerted"
        );
        run.interrupt().await;
        timeout(Duration::from_secs(20), run.rest())
            .await
            .expect("nobody waits for the webhook");
        assert!(run.end().await.success());
        chain.stop().unwrap();
    }
}
