//! Who reads the output, who doesn't, and who tries to write into it.

use std::process::Stdio;

use session_config::Settings;
use tokio::{process::Command, time::timeout};

use crate::process::{LIMIT, Run, configured_chain, field, summary};

/// On a terminal whose standard error goes to a file, results still come to the terminal.
#[tokio::test]
async fn results_are_printed_on_a_terminal_whose_errors_go_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("errors.log");
    let run = format!(
        "{} --sessions 5 --rate 20 --metrics-port 0 2>{}",
        env!("CARGO_BIN_EXE_session-builder"),
        errors.display()
    );
    let terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &run, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, terminal).await.expect("an end in time").unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    assert_eq!(shown.matches("   verified\u{1b}[0m").count(), 5, "{shown}");
    assert!(shown.contains("summary   verified 5"), "{shown}");
    assert_eq!(std::fs::read_to_string(errors).unwrap(), "", "logs alone go there");
}

#[tokio::test]
async fn nobody_reading_on_changes_nothing() {
    let mut run = Run::start(&["--sessions", "40", "--rate", "20"]);
    for start in ["chain ", "wallet ", "demo "] {
        run.line_of(start).await;
    }
    let mut run = run.close_lines();
    let errors = run.errors().await;
    // The promise of exit 0: all forty are verified, and none is a dead letter.
    assert!(run.end().await.success(), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[tokio::test]
async fn nobody_reading_errors_changes_nothing() {
    let mut run = Run::start(&["--sessions", "20", "--rate", "20", "--log-level", "debug"]);
    run.line_of("verified ").await;
    run.close_errors();
    let lines = run.rest().await;
    assert!(summary(&lines).contains("verified 20 "), "{lines:#?}");
    assert!(run.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cannot_name_itself_into_other_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let hostile = "x\nverified session=f\u{1b}[2J";
    let mut run = Run::start(&["--config", &config, "--log-level", "info"]);
    run.line_of("listening").await;
    traffic.request_named(hostile).await.unwrap();
    let line = run.line_of("verified ").await;
    assert!(
        line.starts_with("verified session=\"x\\nverified session=f\\u{1b}[2J\" pda="),
        "{line}"
    );
    run.interrupt().await;
    let lines = run.rest().await;
    assert!(lines.iter().all(|line| !line.starts_with("verified ")), "{lines:#?}");
    let errors = run.errors().await;
    let forged = |line: &&str| line.starts_with("verified") || line.contains('\u{1b}');
    assert_eq!(errors.lines().find(forged), None, "{errors}");
    assert!(errors.contains("verified session=f"), "the log tells of it: {errors}");
    assert!(run.end().await.success());
    chain.stop().unwrap();
}

/// Keys of RPC providers stand in paths and queries; no library's log shows them either.
#[tokio::test(flavor = "multi_thread")]
async fn the_most_talkative_log_level_withholds_keys() {
    const KEYS: [&str; 2] = ["KEYINTHEPATH4711", "KEYINTHEQUERY4711"];
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let endpoint = chain.endpoint();
    let (http, socket) = (
        format!("{}/v2/{}", endpoint.http, KEYS[0]),
        format!("{}/?api-key={}", endpoint.ws, KEYS[1]),
    );
    let environment = [
        ("SESSION_BUILDER__RPC__URL", http.as_str()),
        ("SESSION_BUILDER__RPC__WS_URL", socket.as_str()),
    ];
    let mut run = Run::start_in(&environment, &["--config", &config, "--log-level", "trace"]);
    let errors = tokio::spawn(run.errors_to_the_end());
    run.line_of("listening").await;
    traffic.request(1).await.unwrap();
    assert_eq!(field(&run.line_of("verified ").await, "session"), "session-00001");
    run.interrupt().await;
    let lines = run.rest().await;
    assert!(run.end().await.success());
    let errors = errors.await.unwrap();
    assert!(errors.contains("TRACE"), "the level is in force");
    assert!(errors.contains("(withheld)"), "somebody would have told it");
    for key in KEYS {
        assert!(
            !errors.contains(key) && !lines.iter().any(|line| line.contains(key)),
            "{key}"
        );
    }
    chain.stop().unwrap();
}

#[tokio::test]
async fn a_level_that_is_none_is_refused() {
    let mut run = Run::start(&["demo", "--log-level", "verbose"]);
    assert_eq!(run.rest().await, Vec::<String>::new());
    let errors = run.errors().await;
    assert!(
        errors.contains("\"verbose\" is no level") && errors.contains("warn"),
        "{errors}"
    );
    assert!(!run.end().await.success());
    // "warning" is one: the defaults are read with it, and the log is not silent.
    assert!(Settings::defaults().is_ok());
}
