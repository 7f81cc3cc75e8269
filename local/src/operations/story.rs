//! What is known of one session, put together from the dead letters and the chain.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use session_admin::{Letter, LetterFilter, OperationError};
use session_chain::{ChainError, RpcClient, RpcPool};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::time::Instant;

use crate::{advice::advice, operations::Desk};

/// A story is told within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Transactions of an address that are told, the newest first.
const TOLD_MAX: usize = 20;

/// The story of a session, named by its id, its address, or a transaction.
///
/// # Errors
/// [`OperationError`]: nothing is known of it, or nobody answers.
pub async fn story(desk: &Desk, pool: &RpcPool, what: &str) -> Result<Value, OperationError> {
    let deadline = Instant::now() + PATIENCE;
    let letters = letters(desk, what).await?;
    let named = what.parse::<Pubkey>().ok();
    let by_letter = letters
        .iter()
        .find_map(|letter| letter.pda.as_ref()?.parse::<Pubkey>().ok());
    let mut story = json!({ "asked_for": what, "dead_letters": letters });
    if let Ok(signature) = what.parse::<Signature>() {
        story["transaction"] = transaction(pool, signature, deadline)
            .await
            .map_err(|error| unavailable(&error))?;
    }
    if let Some(address) = named.or(by_letter) {
        story["address"] = json!(address.to_string());
        story["account"] = account(pool, address, deadline)
            .await
            .map_err(|error| unavailable(&error))?;
        story["transactions"] = transactions(pool, address, deadline)
            .await
            .map_err(|error| unavailable(&error))?;
    }
    let known = [&story["transaction"], &story["account"]]
        .iter()
        .any(|part| !part.is_null());
    if letters_are_none(&story) && !known && story["transactions"].as_array().is_none_or(Vec::is_empty) {
        let hint = "name the session's address or a transaction; an id alone is known only of dead letters";
        return Err(OperationError::NotFound(format!(
            "nothing is known of {what:?}; {hint}"
        )));
    }
    story["next"] = next(&story);
    Ok(story)
}

fn letters_are_none(story: &Value) -> bool {
    story["dead_letters"].as_array().is_none_or(Vec::is_empty)
}

/// The letters for a session or an address, or that name a transaction.
async fn letters(desk: &Desk, what: &str) -> Result<Vec<Letter>, OperationError> {
    let mut letters = desk.list(&LetterFilter::default()).await?;
    let is_meant = |value: &Option<String>| value.as_deref() == Some(what);
    letters.retain(|letter| {
        letter.id == what || is_meant(&letter.session_id) || is_meant(&letter.pda) || is_meant(&letter.last_signature)
    });
    Ok(letters)
}

async fn account(pool: &RpcPool, address: Pubkey, deadline: Instant) -> Result<Value, ChainError> {
    let commitment = pool.commitment();
    let ask = |client: Arc<RpcClient>| async move { client.get_account_with_commitment(&address, commitment).await };
    let account = pool.call("getAccountInfo", Some(deadline), ask).await?.value;
    Ok(account.map_or(Value::Null, |account| {
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
        let reason = letter["reason"].as_str().unwrap_or("unknown");
        return match advice(reason) {
            Some(advice) => json!({ "reason": reason, "meaning": advice.meaning, "command": advice.command }),
            None => json!({ "reason": reason }),
        };
    }
    if story["account"].is_null() {
        return json!({
            "meaning": "no account is there, and no dead letter: the request is under way, or was never seen",
            "command": "session-builder reconcile",
        });
    }
    json!({ "meaning": "the account is there; nothing is to be done" })
}

fn unavailable(error: &ChainError) -> OperationError {
    OperationError::Unavailable(error.to_string())
}
