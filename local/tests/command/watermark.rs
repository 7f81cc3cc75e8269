//! The watermark as an operator sees it and sets it.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::process::{Ended, LIMIT, Run, configured_chain, ended, field, page};

async fn shown(config: &str) -> Value {
    let shown = ended(&["watermark", "show", "--json", "--config", config]).await;
    assert_eq!(shown.code, 0, "{}", shown.errors);
    serde_json::from_str(&shown.lines.join("\n")).unwrap()
}

async fn set(config: &str, point: &str, how: &[&str]) -> Ended {
    let arguments = [&["watermark", "set", point, "--config", config], how].concat();
    ended(&arguments).await
}

/// Waits until the watermark is at a slot or beyond.
async fn passed(config: &str, slot: u64) -> Value {
    let begun = Instant::now();
    loop {
        let shown = shown(config).await;
        if shown["slot"].as_u64().is_some_and(|at| at >= slot) {
            return shown;
        }
        assert!(begun.elapsed() < LIMIT, "{shown} stays before slot {slot}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_shown_set_back_and_kept_from_going_forward_over_events() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let none = ended(&["watermark", "show", "--config", &config]).await;
    assert_eq!(none.code, 0, "{}", none.errors);
    assert!(none.lines[0].contains("none is saved"), "{:#?}", none.lines);

    // The watermark moves with each listing.
    let often = [
        ("SESSION_BUILDER__LISTENER__LISTING_INTERVAL_SECS", "1"),
        ("SESSION_BUILDER__LISTENER__LISTING_INTERVAL_COMPLETE_SECS", "1"),
    ];
    let mut run = Run::start_in(&often, &["--config", &config]);
    let first = run.line_of("listening").await;
    let start: u64 = first.rsplit(' ').next().unwrap().parse().unwrap();
    traffic.request(1).await.unwrap();
    run.line_of("verified ").await;
    let now = shown(&config).await["newest_slot"].as_u64().unwrap();
    let moving = passed(&config, now).await;
    assert_eq!(moving["service_pid"], run.pid(), "{moving}");
    assert_eq!(moving["set_by_hand"], false, "{moving}");
    let place = moving["kept_in"].as_str().unwrap();
    assert!(
        place.ends_with(session_store::FILE) && std::path::Path::new(place).is_file(),
        "{place}"
    );

    // Beside a running service nothing is set, and its process is named.
    let refused = set(&config, &start.to_string(), &["--yes"]).await;
    assert_eq!(refused.code, 1, "{}", refused.errors);
    let pid = format!("the running process {}", run.pid());
    assert!(refused.errors.contains(&pid), "{pid}: {}", refused.errors);
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());

    // Something is requested while nobody listens: to go over it takes more than a wish.
    traffic.request(2).await.unwrap();
    let signature = traffic.request(3).await.unwrap().to_string();
    let before = shown(&config).await;
    assert_eq!(before["service_pid"], Value::Null, "{before}");
    let after = before["newest_slot"].as_u64().unwrap();
    let unasked = set(&config, &start.to_string(), &[]).await;
    assert_eq!(unasked.code, 2, "nobody can be asked: {}", unasked.errors);
    let beyond = set(&config, &(after + 1_000_000).to_string(), &["--yes", "--force"]).await;
    assert_eq!(beyond.code, 2, "{}", beyond.errors);
    let over = over_events(&config, after).await;
    assert!(
        over.errors.contains("2 events") && over.errors.contains("backfill --from"),
        "{}",
        over.errors
    );
    assert_eq!(shown(&config).await["slot"], before["slot"], "refused is not set");
    let forced = set(&config, &signature, &["--yes", "--force", "--json"]).await;
    assert_eq!(forced.code, 0, "{}", forced.errors);
    assert_eq!(shown(&config).await["signature"], signature.as_str());

    // Back is harmless: all is read again, what was left out among it, and nothing is created twice.
    let back = set(&config, &start.to_string(), &["--yes"]).await;
    assert_eq!(back.code, 0, "{}", back.errors);
    let stands = shown(&config).await;
    assert_eq!(
        (&stands["slot"], &stands["set_by_hand"]),
        (&Value::from(start), &Value::from(true))
    );
    let mut run = Run::start(&["--config", &config]);
    let (mut again, mut created) = (0, 0);
    while again + created < 3 {
        let line = run.line().await.unwrap();
        if line.starts_with("existed ") || line.starts_with("verified ") {
            let first = field(&line, "session") == "session-00001";
            assert_eq!(line.starts_with("existed "), first, "{line}");
            again += u32::from(first);
            created += u32::from(!first);
        }
    }
    assert_eq!((again, created), (1, 2));
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
    chain.stop().unwrap();
}

/// Has the system refuse whatever a process writes into a file, as a full disk does, or allow it again. `prlimit` is a part of
/// util-linux, as `script` is.
async fn files_may_grow(run: &Run, may: bool) {
    let (pid, limit) = (run.pid().to_string(), if may { "unlimited" } else { "0:unlimited" });
    let set = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={limit}")])
        .status();
    assert!(set.await.unwrap().success());
}

/// A service that lists often, and is told of a file that cannot grow by an error rather than by the signal that would end it.
fn listing_often(config: &str) -> Run {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap '' XFSZ; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_session-builder"),
    ]);
    for (name, value) in [
        ("LISTENER__LISTING_INTERVAL_SECS", "1"),
        ("LISTENER__LISTING_INTERVAL_COMPLETE_SECS", "1"),
        ("MONITORING__HEALTH_CHECK_INTERVAL_SECS", "10"),
        ("QUEUE__RETRY_WAITS", "1s"),
    ] {
        command.env(format!("SESSION_BUILDER__{name}"), value);
    }
    Run::start_as(command, &["run", "--config", config, "--log-level", "warn"])
}

/// Waits until `/health` has this status and tells this of this check.
async fn told_by_health(pages: SocketAddr, status: u16, check: &str, told: &str) {
    let begun = Instant::now();
    loop {
        let (code, text) = page(pages, "/health").await;
        let health: Value = serde_json::from_str(&text).unwrap();
        let of = |key: &str| health[key].as_array().cloned().unwrap_or_default();
        let is_it = |said: &Value| said["check"] == check && said["reason"].as_str().unwrap().contains(told);
        if code == status && (told.is_empty() || [of("failed"), of("degraded")].concat().iter().any(is_it)) {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{status} {check} {told:?}: {text}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// The disk is full: the watermark stays where it was, which is a warning while nobody waits; whoever asks then waits for the
/// books, and is served when there is room, by this process or by the one after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_that_cannot_be_saved_is_told_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let mut run = listing_often(&config);
    let pages = run.pages().await;
    run.line_of("listening").await;
    traffic.request(1).await.unwrap();
    run.line_of("verified ").await;
    let saved = passed(&config, 1).await["slot"].as_u64().unwrap();

    files_may_grow(&run, false).await;
    told_by_health(pages, 200, "event_stream", "cannot be saved").await;
    traffic.request(2).await.unwrap();
    told_by_health(pages, 503, "accounts", "").await;
    files_may_grow(&run, true).await;
    assert_eq!(field(&run.line_of("verified ").await, "session"), "session-00002");
    told_by_health(pages, 200, "event_stream", "").await;
    let moved = passed(&config, saved + 1).await["slot"].as_u64().unwrap();

    // Once more, and the process does not live to see the end of it.
    files_may_grow(&run, false).await;
    traffic.request(3).await.unwrap();
    told_by_health(pages, 503, "accounts", "").await;
    let errors = run.errors_to_the_end();
    run.kill().await;
    let errors = errors.await;
    let told = errors.lines().find(|line| line.contains("the watermark is not saved"));
    let told = told.unwrap_or_else(|| panic!("{errors}"));
    assert!(told.contains("the store cannot save a watermark"), "{told}");
    assert!(
        shown(&config).await["slot"].as_u64().unwrap() >= moved,
        "what was saved stays"
    );
    let mut run = listing_often(&config);
    loop {
        let line = run.line_of("verified ").await;
        if field(&line, "session") == "session-00003" {
            break;
        }
    }
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
    chain.stop().unwrap();
}

/// Tries to go forward until the listing of the newest slots is final.
async fn over_events(config: &str, slot: u64) -> Ended {
    let begun = Instant::now();
    loop {
        let refused = set(config, &slot.to_string(), &["--yes"]).await;
        assert_eq!(refused.code, 1, "{}", refused.errors);
        if refused.errors.contains("2 events") {
            return refused;
        }
        assert!(begun.elapsed() < LIMIT, "{}", refused.errors);
        sleep(Duration::from_millis(200)).await;
    }
}
