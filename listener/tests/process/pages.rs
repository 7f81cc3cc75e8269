//! What the listener sends, and what it says about it.

use session_events::session::SESSION_PROGRAM_ID;
use session_message::Message;
use session_queue::ReceivedMessage;
use session_tests::{http, listener_process::ListenerProcess, wait};
use tokio::process::Command;

use crate::stage::{LIMIT, Queued, Requested, Stage};

const SESSIONS: usize = 12;

pub(crate) async fn messages_and_pages() {
    let stage = Stage::start().await;
    let listener = stage.listener(stage.aws()).await;
    let requested = stage.request_sessions(SESSIONS).await;
    let mut queued = Queued::new();
    stage.take_all(&requested, &mut queued).await;
    assert_eq!(queued.len(), requested.len(), "nothing that nobody asked for");
    for requested in &requested {
        assert_message(&stage, requested, &queued[&requested.0.session_id]).await;
    }
    assert_pages(&listener).await;

    let port = listener.address().port();
    assert!(says_healthy(port).await);
    assert_eq!(listener.terminate().await.code(), Some(0));
    assert!(!says_healthy(port).await, "nobody is there");
    stage.stop().await;
}

/// Fails unless body and attributes tell of the request.
async fn assert_message(stage: &Stage, (request, signature): &Requested, received: &ReceivedMessage) {
    let Message { event, source, .. } = Message::from_json(&received.body).unwrap();
    assert_eq!(
        event,
        request
            .clone()
            .expected_event(&SESSION_PROGRAM_ID, event.compute_slot)
            .unwrap()
    );
    assert_eq!(source.signature, Some(signature.to_string()));
    assert_eq!(source.slot, stage.slot_of(signature).await);
    for (name, value) in [
        ("event_type", String::from("PDAComputedEvent")),
        ("pda", event.expected_pda.to_string()),
        ("slot", source.slot.to_string()),
    ] {
        assert_eq!(received.attributes.get(name), Some(&value), "{name}");
    }
}

async fn assert_pages(listener: &ListenerProcess) {
    let health = http::get(listener.address(), "/health").await;
    assert_eq!(
        (health.status.as_u16(), &health.json()["status"]),
        (200, &"healthy".into())
    );
    let stats = http::get(listener.address(), "/stats").await.json();
    assert_eq!(stats["is_running"], true);
    assert!(stats["uptime_seconds"].is_u64(), "{stats}");
    // A message can be taken before its sender has counted it.
    wait::until_true("all messages counted", LIMIT, || async {
        listener.metric("listener_published_total").await >= SESSIONS as u64
    })
    .await;
}

/// What the command `health` makes of whoever listens on a port.
async fn says_healthy(port: u16) -> bool {
    let answer = Command::new(env!("CARGO_BIN_EXE_listener"))
        .args(["--metrics-port", &port.to_string(), "health"])
        .output()
        .await
        .unwrap();
    answer.status.success()
}
