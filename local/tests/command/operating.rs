//! The person on call: looks, understands, mends, and knows by the exit code whether it is done.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;
use session_builder::{embedded::EmbeddedChain, traffic::Traffic};

use crate::process::{Run, binary, configured_chain, ended, field, give_up};

/// A service that has given up three sessions for two reasons, and is stopped.
async fn three_letters(folder: &Path) -> (EmbeddedChain, Traffic, String) {
    let (chain, traffic, config) = configured_chain(folder).await;
    let nobody = "11111111111111111111111111111112";
    give_up(
        &traffic,
        &config,
        ("SESSION_BUILDER__POLICY__ALLOWED_OWNER_PROGRAMS", nobody),
        &[1],
    )
    .await;
    // 208 and 360 bytes are too many here. The first session may be read once more, and is small enough.
    give_up(
        &traffic,
        &config,
        ("SESSION_BUILDER__POLICY__SIZE_MAX_BYTES", "200"),
        &[2, 3],
    )
    .await;
    (chain, traffic, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_understood_redriven_and_purged_by_what_the_tool_says() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _traffic, config) = three_letters(folder.path()).await;

    // Nobody runs: the store is read, and nothing can be redriven.
    let listed = ended(&["dead-letters", "list", "--config", &config]).await;
    assert_eq!(listed.code, 0, "{}", listed.errors);
    assert!(
        listed.lines.iter().any(|line| line == "dead letters 3"),
        "{:#?}",
        listed.lines
    );
    assert!(
        listed.lines.iter().any(|line| line == "2 × size_over_limit"),
        "{:#?}",
        listed.lines
    );
    let told = listed
        .lines
        .iter()
        .any(|line| line.contains("policy.size_max_bytes") && line.contains("redrive --reason size_over_limit"));
    assert!(told, "what mends it: {:#?}", listed.lines);
    let redriven = ended(&["dead-letters", "redrive", "--config", &config]).await;
    assert_eq!(redriven.code, 4, "{}", redriven.errors);

    // The cause is gone; the service runs.
    let mut run = Run::start(&["--config", &config]);
    run.line_of("listening").await;
    let looked = ended(&[
        "dead-letters",
        "redrive",
        "--reason",
        "size_over_limit",
        "--dry-run",
        "--config",
        &config,
    ])
    .await;
    assert_eq!(
        (looked.code, looked.last()),
        (0, "matched 2  redriven 0  refused 0 (dry run: nothing was changed)")
    );
    let redriven = ended(&[
        "dead-letters",
        "redrive",
        "--reason",
        "size_over_limit",
        "--config",
        &config,
    ])
    .await;
    assert_eq!(
        (redriven.code, redriven.last()),
        (0, "matched 2  redriven 2  refused 0"),
        "{}",
        redriven.errors
    );
    // Their events may have been read once more by the start, too.
    let mut left = BTreeSet::from(["session-00002", "session-00003"]);
    while !left.is_empty() {
        let line = run.line().await.unwrap();
        if line.starts_with("verified ") || line.starts_with("existed ") {
            left.remove(field(&line, "session"));
        }
    }

    // What is left is nobody's wish any more.
    let left = ended(&["dead-letters", "list", "--json", "--config", &config]).await;
    let left: Value = serde_json::from_str(&left.lines.join("\n")).unwrap();
    let [letter] = left.as_array().unwrap().as_slice() else {
        panic!("{left}")
    };
    let id = letter["id"].as_str().unwrap();
    let shown = ended(&["dead-letters", "show", id, "--config", &config]).await;
    assert!(
        shown
            .lines
            .iter()
            .any(|line| line.starts_with("next") && line.contains("policy.allowed_owner_programs")),
        "{:#?}",
        shown.lines
    );
    let refused = ended(&["dead-letters", "purge", "--id", id, "--config", &config]).await;
    assert_eq!(refused.code, 2, "nobody can be asked: {}", refused.errors);
    let purged = ended(&["dead-letters", "purge", "--id", id, "--yes", "--config", &config]).await;
    assert_eq!(
        (purged.code, purged.last()),
        (0, "matched 1  purged 1  refused 0"),
        "{}",
        purged.errors
    );
    assert_eq!(
        ended(&["dead-letters", "list", "--config", &config]).await.lines,
        ["dead letters 0"]
    );
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
    chain.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_how_a_service_is() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let none = ended(&["status", "--config", &config]).await;
    assert_eq!(none.code, 4, "{}", none.errors);
    assert!(none.errors.contains("no service"), "{}", none.errors);

    let mut run = Run::start(&["--config", &config]);
    run.line_of("listening").await;
    traffic.request(1).await.unwrap();
    let pda = field(&run.line_of("verified ").await, "pda").to_owned();
    let status = ended(&["status", "--json", "--config", &config]).await;
    assert_eq!(status.code, 0, "{status}", status = status.lines.join("\n"));
    let status: Value = serde_json::from_str(status.last()).unwrap();
    assert_eq!(status["stats"]["accounts_created"], 1);
    assert_eq!(status["connected"], true);
    let story = ended(&["inspect", &pda, "--json", "--config", &config]).await;
    let story: Value = serde_json::from_str(&story.lines.join("\n")).unwrap();
    assert_eq!(story["account"]["size_bytes"], 184);
    // The finds would go to a queue that the service has in its memory.
    for command in [&["reconcile"][..], &["backfill", "--from", "0"]] {
        let beside = ended(&[command, &["--config", &config]].concat()).await;
        let stop = format!("kill {}", run.pid());
        assert!(beside.errors.contains(&stop), "{command:?}: {}", beside.errors);
        assert_eq!(beside.code, 1, "{command:?}: {}", beside.errors);
        let looking = [command, &["--dry-run", "--config", &config]].concat();
        assert_eq!(ended(&looking).await.code, 0, "only to look disturbs nobody");
    }
    let unknown = ended(&["inspect", "nobody", "--config", &config]).await;
    assert_eq!(unknown.code, 1, "{}", unknown.errors);
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
    assert_eq!(ended(&["status", "--config", &config]).await.code, 4);
    assert_eq!(ended(&["status", "--config", "/nonexistent/config.toml"]).await.code, 2);
    assert_eq!(ended(&["dead-letters", "lits"]).await.code, 2);
    chain.stop().unwrap();
}

#[tokio::test]
async fn the_configuration_is_shown_with_its_origins_and_without_its_secrets() {
    let output = binary()
        .args(["config", "show", "--origin"])
        .env("SESSION_BUILDER__RPC__URL", "https://rpc.example/v2/KEYKEYKEY")
        .output()
        .await
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        lines.contains("rpc.url = https://rpc.example    # the environment"),
        "{lines}"
    );
    assert!(
        lines.contains("service.max_concurrent_creations = 10    # the built-in defaults"),
        "{lines}"
    );
    assert!(!lines.contains("KEYKEYKEY"), "{lines}");
    let completions = ended(&["completions", "bash"]).await;
    assert!(completions.code == 0 && completions.lines.iter().any(|line| line.contains("dead-letters")));
}
