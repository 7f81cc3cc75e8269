//! What is known of one session, put together from its history, the dead letters and the chain.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use session_admin::{Letter, OperationError};
use session_chain::{ChainError, RpcClient, RpcPool, replies::read_accounts_surely};
use session_store::{Chapter, ChapterKind, Reader, StoreError};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::time::Instant;

use crate::{advice::advice, history::shown, reach::is_silence};

/// A story is told within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Transactions of an address that are told, the newest first.
const TOLD_MAX: usize = 20;
/// Sessions of one transaction that are named.
const SESSIONS_MAX: u32 = 100;
/// Chapters of a history that are told, the newest: one that waits for a day in vain has some 1,500.
const CHAPTERS_MAX: u32 = 2_000;

/// The story of a session, named by its id, its address, a transaction or a dead letter: from what was `told` of it where
/// histories are kept, from the dead letters among `all`, and from the chain, without which it is told as well.
///
/// # Errors
/// [`OperationError`]: nothing is known of it, or nobody answers.
pub async fn story(
    all: Vec<Letter>,
    told: Option<&Reader>,
    pool: &RpcPool,
    what: &str,
) -> Result<Value, OperationError> {
    let letters = letters(all, what);
    let mut addresses = addresses(told, &letters, what).await?.into_iter();
    let address = addresses.next();
    let mut story = json!({ "asked_for": what });
    if let Some(address) = address {
        story["address"] = json!(address.to_string());
        let chapters = chapters(told, address).await?;
        story["session_id"] = json!(chapters.iter().find_map(|chapter| chapter.session_id.as_ref()));
        story["cost"] = cost(&chapters);
        story["history"] = chapters.iter().map(entry).collect();
    }
    story["others"] = addresses.map(|address| address.to_string()).collect();
    story["dead_letters"] = json!(letters);
    if let Err(error) = look_at_the_chain(&mut story, pool, address, what).await {
        if !is_known(&story) {
            return Err(if is_silence(&error) {
                OperationError::NoNode(error.to_string())
            } else {
                OperationError::Unavailable(error.to_string())
            });
        }
        story["chain_unavailable"] = json!(error.to_string());
    }
    if !is_known(&story) {
        let hint =
            "name the session's address or a transaction; an id is known where its history is kept, or a dead letter";
        return Err(OperationError::NotFound(format!(
            "nothing is known of {what:?}; {hint}"
        )));
    }
    story["next"] = next(&story);
    Ok(story)
}

/// The addresses that are meant.
async fn addresses(told: Option<&Reader>, letters: &[Letter], what: &str) -> Result<Vec<Pubkey>, OperationError> {
    let mut addresses: Vec<Pubkey> = what.parse().ok().into_iter().collect();
    if let (Some(told), true) = (told, addresses.is_empty()) {
        addresses = told
            .sessions_of(what, SESSIONS_MAX)
            .await
            .map_err(|error| unreadable(&error))?;
    }
    let of_letters = letters.iter().filter_map(|letter| letter.pda.as_ref()?.parse().ok());
    for address in of_letters {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

async fn chapters(told: Option<&Reader>, address: Pubkey) -> Result<Vec<Chapter>, OperationError> {
    match told {
        Some(told) => told
            .history(address, CHAPTERS_MAX)
            .await
            .map_err(|error| unreadable(&error)),
        None => Ok(Vec::new()),
    }
}

/// A chapter as it is shown: its fields, after when and what.
fn entry(chapter: &Chapter) -> Value {
    let mut entry = json!({ "at": shown(chapter.at), "kind": chapter.kind.name() });
    if let (Some(entry), Some(detail)) = (entry.as_object_mut(), chapter.detail.as_object()) {
        let told = detail.iter().filter(|(_, value)| !value.is_null());
        entry.extend(told.map(|(name, value)| (name.clone(), value.clone())));
    }
    entry
}

/// What the session's transactions cost, as far as their fates are known.
fn cost(chapters: &[Chapter]) -> Value {
    let transactions = || {
        chapters
            .iter()
            .filter(|chapter| chapter.kind == ChapterKind::Transaction)
    };
    let sum = |field: &str| -> u64 {
        transactions()
            .filter_map(|chapter| chapter.detail[field].as_u64())
            .sum()
    };
    let is = |chapter: &&Chapter, outcome: &str| chapter.detail["outcome"] == outcome;
    let signed = transactions().filter(|chapter| is(chapter, "signed"));
    let decided = |signature: &Option<String>| {
        let of_it = transactions().filter(|chapter| chapter.signature == *signature);
        of_it.into_iter().any(|chapter| chapter.detail["outcome"] != "signed")
    };
    json!({
        "rent_lamports": sum("rent_lamports"),
        "fee_lamports": sum("fee_lamports"),
        "lamports": sum("rent_lamports").saturating_add(sum("fee_lamports")),
        "undecided_transactions": signed.filter(|chapter| !decided(&chapter.signature)).count(),
    })
}

/// Adds what the chain says: of the account, its newest transactions, or the transaction that was asked for.
async fn look_at_the_chain(
    story: &mut Value,
    pool: &RpcPool,
    address: Option<Pubkey>,
    what: &str,
) -> Result<(), ChainError> {
    let deadline = Instant::now() + PATIENCE;
    if let Ok(signature) = what.parse::<Signature>() {
        story["transaction"] = transaction(pool, signature, deadline).await?;
    }
    if let Some(address) = address {
        story["account"] = account(pool, address, deadline).await?;
        story["transactions"] = transactions(pool, address, deadline).await?;
    }
    Ok(())
}

/// Whether anybody has heard of it.
fn is_known(story: &Value) -> bool {
    let any = |part: &str| story[part].as_array().is_some_and(|items| !items.is_empty());
    any("history")
        || any("dead_letters")
        || any("transactions")
        || ["transaction", "account"].iter().any(|part| !story[*part].is_null())
}

/// The letters for a session or an address, or that name a transaction.
fn letters(mut letters: Vec<Letter>, what: &str) -> Vec<Letter> {
    let is_meant = |value: &Option<String>| value.as_deref() == Some(what);
    letters.retain(|letter| {
        letter.id == what || is_meant(&letter.session_id) || is_meant(&letter.pda) || is_meant(&letter.last_signature)
    });
    letters
}

async fn account(pool: &RpcPool, address: Pubkey, deadline: Instant) -> Result<Value, ChainError> {
    let mut reading = read_accounts_surely(pool, &[address], None, Some(deadline), |_| true).await?;
    Ok(reading.accounts.pop().flatten().map_or(Value::Null, |account| {
        json!({
            "owner": account.owner.to_string(),
            "size_bytes": account.data.len(),
            "lamports": account.lamports,
            "initialised": account.data.iter().any(|byte| *byte != 0),
        })
    }))
}

async fn transactions(pool: &RpcPool, address: Pubkey, deadline: Instant) -> Result<Value, ChainError> {
    let ask = |client: Arc<RpcClient>| async move { client.get_signatures_for_address(&address).await };
    let listed = pool.call("getSignaturesForAddress", Some(deadline), ask).await?;
    let told = listed.into_iter().take(TOLD_MAX).map(|listed| {
        json!({
            "signature": listed.signature,
            "slot": listed.slot,
            "failed": listed.err.map(|error| error.to_string()),
        })
    });
    Ok(told.collect())
}

async fn transaction(pool: &RpcPool, signature: Signature, deadline: Instant) -> Result<Value, ChainError> {
    let ask = |client: Arc<RpcClient>| async move { client.get_signature_statuses_with_history(&[signature]).await };
    let status = pool
        .call("getSignatureStatuses", Some(deadline), ask)
        .await?
        .value
        .pop()
        .flatten();
    Ok(status.map_or(
        Value::Null,
        |status| json!({ "slot": status.slot, "failed": status.err.map(|error| error.to_string()) }),
    ))
}

/// What the operator does now.
fn next(story: &Value) -> Value {
    if let Some(letter) = story["dead_letters"].get(0) {
        return advised(letter["reason"].as_str().unwrap_or("unknown"), None);
    }
    if !story["account"].is_null() {
        return json!({ "meaning": "the account is there; nothing is to be done" });
    }
    let history = story["history"].as_array().into_iter().flatten();
    let mut ends = history.filter(|entry| !matches!(entry["kind"].as_str(), Some("event" | "transaction")));
    let last = ends.next_back().unwrap_or(&Value::Null);
    match (last["kind"].as_str(), last["outcome"].as_str(), last["reason"].as_str()) {
        (Some("deferral"), _, Some(reason)) => advised(reason, last["until"].as_str()),
        (Some("attempt"), Some("failed"), Some(reason)) => advised(reason, last["again_at"].as_str()),
        (Some("attempt"), Some("asks_for_no_account"), _) => {
            json!({ "meaning": "the session asks for no account; nothing is to be done" })
        }
        (Some("attempt"), Some("closed"), _) => {
            json!({ "meaning": "the session was closed by its owner; nothing is to be done" })
        }
        _ if !story["chain_unavailable"].is_null() => json!({
            "meaning": "the chain does not answer, so whether the account is there is not known",
            "command": "session-builder doctor",
        }),
        (Some("message" | "redrive"), ..) => json!({ "meaning": "its message is in the queue: it is under way" }),
        (Some("purge"), ..) => json!({
            "meaning": "an operator has deleted its dead letter; a comparison with the factory's accounts asks for it again",
            "command": "session-builder reconcile",
        }),
        (Some("verification"), ..) => json!({
            "meaning": "the account was verified and is there no more: its owner has closed the session; nothing is to be done"
        }),
        _ => json!({
            "meaning": "no account is there, and no dead letter: the request was never seen, or its history is forgotten",
            "command": "session-builder reconcile",
        }),
    }
}

/// What the catalogue says of a reason, and when it is tried again by itself.
fn advised(reason: &str, again_at: Option<&str>) -> Value {
    let mut next = json!({ "reason": reason });
    if let Some(advice) = advice(reason) {
        next["meaning"] = json!(advice.meaning);
        next["command"] = json!(advice.command);
    }
    if let Some(again_at) = again_at {
        next["tried_again_at"] = json!(again_at);
    }
    next
}

fn unreadable(error: &StoreError) -> OperationError {
    OperationError::Unavailable(error.to_string())
}
