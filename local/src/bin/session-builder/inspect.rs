//! The command `inspect`: the story of one session, in the order in which it happened, what it cost, and what to do next.

use anyhow::Result;
use serde_json::Value;
use session_admin::{LetterFilter, OperationError};
use session_builder::{
    client::Client,
    operations::{Desk, stored_letters, story},
    reach::endpoints,
    screen::Screen,
};
use session_chain::rpc_pool;
use session_config::{QueueKind, Settings};
use session_store::{Reader, StoreError};
use session_telemetry::Escaped;

use crate::exit::Ending;

/// Lamports in a SOL.
const LAMPORTS_PER_SOL: u64 = 1_000_000_000;

/// Tells the story of one session.
///
/// # Errors
/// Nothing is known of it, or nobody answers.
pub(crate) async fn inspect(settings: &Settings, screen: &Screen, what: &str, json: bool) -> Result<Ending> {
    let story = match Client::of(&settings.service.state_dir) {
        Ok(client) => match client.inspect(what).await {
            // A service that was killed has left its address, and its store.
            Err(error) if error.is_no_service() => without_service(settings, what).await?,
            answer => answer?,
        },
        Err(_) => without_service(settings, what).await?,
    };
    if json {
        screen.print(&serde_json::to_string_pretty(&story)?);
    } else {
        for line in lines(&story) {
            screen.print(&line);
        }
    }
    Ok(Ending::Done)
}

/// The story from the store, where this machine has one. Nothing is written there.
async fn without_service(settings: &Settings, what: &str) -> Result<Value> {
    let (folder, all) = (&settings.service.state_dir, LetterFilter::default());
    let letters = match settings.queue.kind {
        QueueKind::Sqs => Desk::open(settings).await?.list(&all).await?,
        QueueKind::Memory => stored_letters(folder, &all).await?,
    };
    let told = match Reader::open(folder).await {
        Ok(reader) => Some(reader),
        Err(StoreError::NoStore { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let told = story(letters, told.as_ref(), &rpc_pool(settings)?, what).await;
    told.map_err(|error| match error {
        OperationError::NoNode(_) => anyhow::Error::new(error).context(format!(
            "{}: no node answers, and nothing is known here of {what:?}; `session-builder doctor` looks at each endpoint",
            endpoints(settings)
        )),
        error => error.into(),
    })
}

fn lines(story: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, key) in [("session", "session_id"), ("address", "address")] {
        if let Some(value) = story[key].as_str() {
            lines.push(format!("{name:<10}{}", Escaped(value)));
        }
    }
    lines.extend(items(story, "history").map(chapter));
    lines.extend(items(story, "dead_letters").map(|letter| {
        let text = |key: &str| Escaped(letter[key].as_str().unwrap_or("?")).to_string();
        let (id, reason, sentence) = (text("id"), text("reason"), text("sentence"));
        format!("{:<10}{id}  {reason}: {sentence}", "letter")
    }));
    lines.extend(on_chain(story));
    lines.extend(cost(&story["cost"]));
    lines.extend(items(story, "others").map(|other| format!("{:<10}{}", "also", text(other))));
    let next = &story["next"];
    for (name, key) in [("next", "meaning"), ("", "command")] {
        if let Some(value) = next[key].as_str() {
            lines.push(format!("{name:<10}{}", Escaped(value)));
        }
    }
    if let Some(at) = next["tried_again_at"].as_str() {
        lines.push(format!("{:<10}by itself, at {}", "again", Escaped(at)));
    }
    lines
}

fn items<'story>(story: &'story Value, key: &str) -> impl Iterator<Item = &'story Value> {
    story[key].as_array().into_iter().flatten()
}

/// Text as it is, whatever else as JSON.
fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => Escaped(text).to_string(),
        None => value.to_string(),
    }
}

/// One line of the story: when, what, in which slot, and the rest as it was told.
fn chapter(entry: &Value) -> String {
    const BEFORE: [&str; 4] = ["at", "kind", "outcome", "slot"];
    let of = |key: &str| entry.get(key).map(text);
    let slot = of("slot").map_or(String::new(), |slot| format!("slot {slot}"));
    let what = [
        of("kind").map(|kind| kind.replace('_', " ")),
        of("outcome").map(|outcome| outcome.replace('_', " ")),
    ];
    let what: Vec<String> = what.into_iter().flatten().collect();
    let rest = entry.as_object().into_iter().flatten();
    let rest: Vec<String> = rest
        .filter(|(name, _)| !BEFORE.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    let line = format!(
        "  {:<30}  {slot:<15}  {:<26}  {}",
        of("at").unwrap_or_default(),
        what.join(" "),
        rest.join("  ")
    );
    line.trim_end().to_owned()
}

fn on_chain(story: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let account = &story["account"];
    if let Some(owner) = account["owner"].as_str() {
        lines.push(format!(
            "{:<10}{} bytes of {}, {} lamports, {}",
            "account",
            account["size_bytes"],
            Escaped(owner),
            account["lamports"],
            if account["initialised"] == true {
                "initialised"
            } else {
                "all zeroes"
            },
        ));
    } else if story.get("account").is_some() {
        lines.push(format!("{:<10}none", "account"));
    }
    let transactions = items(story, "transactions").chain(story.get("transaction"));
    lines.extend(
        transactions
            .filter(|transaction| !transaction.is_null())
            .map(|transaction| {
                let signature = transaction["signature"].as_str().unwrap_or("it");
                let fate = transaction["failed"]
                    .as_str()
                    .map_or(String::new(), |error| format!("  failed: {}", Escaped(error)));
                format!(
                    "{:<10}slot {}  {}{fate}",
                    "on chain",
                    transaction["slot"],
                    Escaped(signature)
                )
            }),
    );
    if let Some(error) = story["chain_unavailable"].as_str() {
        lines.push(format!("{:<10}does not answer: {}", "chain", Escaped(error)));
    }
    lines
}

fn cost(cost: &Value) -> Option<String> {
    let lamports = cost["lamports"].as_u64()?;
    let undecided = match cost["undecided_transactions"].as_u64() {
        None | Some(0) => String::new(),
        Some(count) => format!("; {count} transactions are not decided"),
    };
    Some(format!(
        "{:<10}{lamports} lamports ({}.{:09} SOL): rent {}, fees {}{undecided}",
        "cost",
        lamports / LAMPORTS_PER_SOL,
        lamports % LAMPORTS_PER_SOL,
        cost["rent_lamports"],
        cost["fee_lamports"],
    ))
}
