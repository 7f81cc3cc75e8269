//! The whole story of one session: created, given up and redriven, or waiting; told by a service, and without one that was killed.

use serde_json::Value;

use crate::process::{Run, configured_chain, ended, field};

/// What `inspect` tells, as JSON.
async fn story(what: &str, config: &str) -> Value {
    let told = ended(&["inspect", what, "--json", "--config", config]).await;
    assert_eq!(told.code, 0, "{what}: {}", told.errors);
    serde_json::from_str(&told.lines.join("\n")).unwrap()
}

/// The history as a list of what happened.
fn happened(story: &Value) -> Vec<String> {
    let word = |entry: &Value, key: &str| entry[key].as_str().map_or(String::new(), str::to_owned);
    let entries = story["history"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            format!("{} {}", word(entry, "kind"), word(entry, "outcome"))
                .trim_end()
                .to_owned()
        })
        .collect()
}

async fn lamports(config: &str) -> u64 {
    let told = ended(&["wallet", "--json", "--config", config]).await;
    let told: Value = serde_json::from_str(&told.lines.join("\n")).unwrap();
    told["wallets"][0]["lamports"].as_u64().unwrap()
}

const CREATED: [&str; 5] = [
    "event",
    "message",
    "transaction signed",
    "transaction landed",
    "verification created",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_story_is_told_whatever_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;

    // Created: its story is found by each of its names, and costs what the wallet has lost.
    let before = lamports(&config).await;
    let mut run = Run::start(&["--config", &config]);
    run.line_of("listening").await;
    let requested = traffic.request(1).await.unwrap().to_string();
    let verified = run.line_of("verified ").await;
    let pda = field(&verified, "pda").to_owned();
    let told = story(&pda, &config).await;
    assert_eq!(happened(&told), CREATED, "{told:#}");
    assert_eq!(told["history"][0]["signature"], requested.as_str());
    assert_eq!(told["history"][3]["signature"], field(&verified, "signature"));
    assert!(
        told["history"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["at"].is_string())
    );
    assert_eq!(told["cost"]["lamports"], before - lamports(&config).await);
    assert_eq!(told["cost"]["rent_lamports"], told["account"]["lamports"]);
    assert_eq!(told["next"]["meaning"], "the account is there; nothing is to be done");
    for name in ["session-00001", &requested, field(&verified, "signature")] {
        assert_eq!(story(name, &config).await["history"], told["history"], "{name}");
    }

    // Killed: whoever asks then reads the store.
    run.kill().await;
    assert_eq!(story("session-00001", &config).await["history"], told["history"]);
    let shown = ended(&["inspect", "session-00001", "--config", &config]).await;
    let lines = shown.lines.join("\n");
    assert!(
        lines.contains("transaction landed") && lines.contains("cost      "),
        "{lines}"
    );

    given_up_and_redriven(&traffic, &config).await;
    deferred(&traffic, &config).await;
    chain.stop().unwrap();
}

/// Two attempts that the program refuses, a letter, and what the letter says mends it.
async fn given_up_and_redriven(traffic: &session_builder::traffic::Traffic, config: &str) {
    let wrong = [
        ("SESSION_BUILDER__CREATION__ARGUMENT_ORDER", "size,session_id,owner"),
        ("SESSION_BUILDER__CREATION__BATCH_INSTRUCTION_NAME", ""),
        ("SESSION_BUILDER__QUEUE__MAX_RECEIVE_COUNT", "2"),
    ];
    let mut run = Run::start_in(&wrong, &["--config", config]);
    run.line_of("listening").await;
    traffic.request(2).await.unwrap();
    run.line_of("dead-letter ").await;
    let told = story("session-00002", config).await;
    let kinds = happened(&told);
    assert_eq!(
        &kinds[..2],
        CREATED[..2].iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    assert!(kinds.contains(&String::from("attempt failed")), "{told:#}");
    assert_eq!(kinds.last().unwrap(), "dead_letter dead_letter", "{told:#}");
    let letter = told["history"].as_array().unwrap().last().unwrap();
    assert_eq!(letter["attempt"], 2);
    assert_eq!(letter["reason"], told["next"]["reason"]);
    assert!(
        told["next"]["command"]
            .as_str()
            .unwrap()
            .contains("dead-letters redrive"),
        "{told:#}"
    );
    assert_eq!(told["cost"]["rent_lamports"], 0);
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());

    let mut run = Run::start(&["--config", config]);
    run.line_of("listening").await;
    let redriven = ended(&["dead-letters", "redrive", "--config", config]).await;
    assert_eq!(redriven.code, 0, "{}", redriven.errors);
    run.line_of("verified ").await;
    let again = happened(&story("session-00002", config).await);
    assert_eq!(again[..kinds.len()], kinds, "what was told stays");
    // Its event may have been read once more by the start.
    for (what, times) in [
        ("event", 1),
        ("redrive", 1),
        ("transaction landed", 1),
        ("verification created", 1),
    ] {
        let told = again.iter().filter(|told| *told == what).count();
        assert_eq!(told, times, "{what} in {again:?}");
    }
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
}

/// No budget: it waits, and it is known for what and until when.
async fn deferred(traffic: &session_builder::traffic::Traffic, config: &str) {
    let broke = ("SESSION_BUILDER__POLICY__LAMPORTS_PER_HOUR", "1");
    let mut run = Run::start_in(&[broke], &["--config", config]);
    run.line_of("listening").await;
    traffic.request(3).await.unwrap();
    run.line_of("deferred ").await;
    let told = story("session-00003", config).await;
    assert_eq!(happened(&told), ["event", "message", "deferral deferred"], "{told:#}");
    let deferral = &told["history"][2];
    assert_eq!(deferral["reason"], "hourly_budget");
    assert_eq!(told["next"]["reason"], "hourly_budget");
    assert_eq!(told["next"]["tried_again_at"], deferral["until"]);
    assert!(deferral["until"].as_str() > deferral["at"].as_str(), "{deferral}");
    assert_eq!(told["cost"]["lamports"], 0);
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
}
