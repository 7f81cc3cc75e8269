//! A dead-letter queue of three causes is emptied by what the tool itself says; and one service owns a state folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use session_builder::traffic::Traffic;
use session_queue::{DeadLetter, InMemoryConfig, InMemoryQueue, Queue, SendEntry};
use session_store::Store;

use crate::process::{Ended, Run, configured_chain, ended, field, give_up};

/// Sessions of 184 and 168 bytes, and of 208 and 360.
const SMALL: [u64; 7] = [1, 4, 5, 8, 9, 12, 13];
const LARGE: [u64; 8] = [2, 3, 6, 7, 10, 11, 14, 15];
const STRANGE: usize = 5;

/// A service that has given up 20 messages for three causes, and is stopped.
async fn twenty_letters(traffic: &Traffic, config: &str, state: &Path) {
    let nobody = "11111111111111111111111111111112";
    let not_allowed = ("SESSION_BUILDER__POLICY__ALLOWED_OWNER_PROGRAMS", nobody);
    give_up(traffic, config, not_allowed, &SMALL).await;
    // 208 and 360 bytes are too many here. Whatever of the others is read once more is small enough.
    let too_large = ("SESSION_BUILDER__POLICY__SIZE_MAX_BYTES", "200");
    give_up(traffic, config, too_large, &LARGE).await;
    let store = Store::open(state).await.unwrap();
    let letters = letters_of(&store).await;
    for number in 0..STRANGE {
        let now = session_clock::now();
        let letter = DeadLetter {
            reason: String::from("bad_body"),
            sentence: String::from("the body is not JSON"),
            attempts: 1,
            last_signature: None,
            first_at: now,
            last_at: now,
        };
        let entry = SendEntry {
            body: format!("no request {number}"),
            attributes: letter.attributes(),
            delay: Duration::ZERO,
        };
        let sent = letters.send_batch(vec![entry]).await.unwrap();
        assert!(sent.entries.iter().all(Result::is_ok), "{sent:?}");
    }
    drop(letters);
    store.close().await;
}

async fn letters_of(store: &Store) -> InMemoryQueue {
    let config = InMemoryConfig {
        name: String::from("dead-letters"),
        visibility_timeout: Duration::from_mins(1),
        capacity: 100,
    };
    InMemoryQueue::dead_letters(config, Arc::new(store.clone()))
        .await
        .unwrap()
}

/// For each reason that a list shows, how many letters have it and the command that deals with them.
fn remedies(listed: &Ended) -> BTreeMap<String, (usize, Vec<String>)> {
    let mut lines = listed.lines.iter().peekable();
    let mut remedies = BTreeMap::new();
    while let Some(line) = lines.next() {
        let Some((count, code)) = line.split_once(" × ") else {
            continue;
        };
        let advice = std::iter::from_fn(|| lines.next_if(|line| line.starts_with("    ")));
        let advice = advice.last().expect("a command for each reason");
        let command = advice.rsplit("session-builder dead-letters ").next().unwrap();
        let arguments = command.split_whitespace().map(str::to_owned);
        let arguments = std::iter::once(String::from("dead-letters")).chain(arguments);
        remedies.insert(code.to_owned(), (count.parse().unwrap(), arguments.collect()));
    }
    remedies
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_letters_of_three_causes_are_gone_after_four_commands() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    twenty_letters(&traffic, &config, &folder.path().join("state")).await;

    // The causes are gone: the configuration is as it should be.
    let mut run = Run::start(&["--config", &config]);
    run.line_of("listening").await;
    let listed = ended(&["dead-letters", "list", "--config", &config]).await;
    assert!(
        listed.lines.contains(&String::from("dead letters 20")),
        "{:#?}",
        listed.lines
    );
    let remedies = remedies(&listed);
    let counts: Vec<(&str, usize)> = remedies
        .iter()
        .map(|(code, (count, _))| (code.as_str(), *count))
        .collect();
    assert_eq!(
        counts,
        [
            ("bad_body", 5),
            ("owner_program_not_allowed", 7),
            ("size_over_limit", 8)
        ]
    );
    for (count, arguments) in remedies.values() {
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let word = if arguments.contains(&"purge") {
            // Nobody sits here who could be asked.
            arguments.push("--yes");
            "purged"
        } else {
            "redriven"
        };
        arguments.extend(["--config", &config]);
        let mended = ended(&arguments).await;
        let all = format!("matched {count}  {word} {count}  refused 0");
        assert_eq!((mended.code, mended.last()), (0, all.as_str()), "{}", mended.errors);
    }
    let name = |number: &u64| match number % 4 {
        0 => format!("s{number:05}"),
        _ => format!("session-{number:05}"),
    };
    let mut left: BTreeSet<String> = SMALL.iter().chain(&LARGE).map(name).collect();
    while !left.is_empty() {
        let line = run.line().await.unwrap();
        if line.starts_with("verified ") || line.starts_with("existed ") {
            left.remove(field(&line, "session"));
        }
    }
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
    assert_eq!(
        ended(&["dead-letters", "list", "--config", &config]).await.lines,
        ["dead letters 0"]
    );
    chain.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_a_state_folder_is_refused_with_the_first_ones_pid() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let mut first = Run::start(&["--config", &config]);
    first.line_of("listening").await;
    let second = ended(&["run", "--config", &config, "--metrics-port", "0"]).await;
    assert_eq!(second.code, 1, "{}", second.errors);
    let pid = format!("the running process {}", first.pid());
    assert!(second.errors.contains(&pid), "{pid}: {}", second.errors);
    // The first one serves on.
    traffic.request(1).await.unwrap();
    first.line_of("verified ").await;
    first.interrupt().await;
    first.rest().await;
    assert!(first.end().await.success());
    chain.stop().unwrap();
}
