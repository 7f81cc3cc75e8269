//! The commands that only look: `status`, `wallet`, and `config`.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use create_accounts::{shared_ledger, spending_limits, wallet_addresses};
use serde_json::{Value, json};
use session_admin::ServiceStatus;
use session_builder::{client::Client, reach::ReachError, screen::Screen};
use session_chain::{RpcClient, rpc_pool};
use session_config::{Settings, Shown};
use session_ledger::{Ledger, Sums};
use session_store::{Reader, StoreError};
use session_telemetry::Escaped;
use tokio_util::sync::CancellationToken;

use crate::exit::Ending;

/// How often a watched status is asked for.
const WATCHED_EVERY: Duration = Duration::from_secs(2);

/// Prints how the running service is; again and again where it is watched.
///
/// # Errors
/// No service runs, or it does not answer.
pub(crate) async fn status(
    settings: &Settings,
    screen: &Screen,
    watched: bool,
    json: bool,
    stop: CancellationToken,
) -> Result<Ending> {
    let client = Client::of(&settings.service.state_dir)?;
    loop {
        let status = client.status().await?;
        let healthy = status.health["status"] == "healthy";
        if json {
            screen.print(&serde_json::to_string(&status)?);
        } else {
            for line in status_lines(&status) {
                screen.print(&line);
            }
        }
        if !watched {
            return Ok(if healthy { Ending::Done } else { Ending::Bad });
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(WATCHED_EVERY))
            .await
            .is_none()
        {
            return Ok(Ending::Done);
        }
    }
}

fn status_lines(status: &ServiceStatus) -> Vec<String> {
    let or_unknown = |number: Option<u64>| number.map_or(String::from("?"), |number| number.to_string());
    let mut lines = vec![
        format!(
            "{}  version {}  pid {}  up {} s  chain {}",
            status.health["status"].as_str().unwrap_or("?"),
            status.version,
            status.pid,
            status.uptime_secs,
            Escaped(&status.chain)
        ),
        format!(
            "queue     waiting {}  in flight {}  dead letters {}",
            or_unknown(status.queue_waiting),
            or_unknown(status.queue_in_flight),
            or_unknown(status.dead_letters)
        ),
        format!(
            "accounts  created {}  existing {}  failed {}",
            status.stats["accounts_created"], status.stats["accounts_existing"], status.stats["accounts_failed"]
        ),
        format!(
            "listener  {}  watermark {}  newest slot {}",
            if status.connected { "connected" } else { "not connected" },
            or_unknown(status.watermark_slot),
            or_unknown(status.last_slot)
        ),
    ];
    for wallet in &status.wallets {
        let low = if wallet.is_low { "  LOW" } else { "" };
        lines.push(format!(
            "wallet    {}  {} lamports{low}",
            wallet.address, wallet.lamports
        ));
    }
    for failed in status.health["failed"].as_array().into_iter().flatten() {
        let text = |key: &str| failed[key].as_str().unwrap_or("?").to_owned();
        lines.push(format!(
            "failing   {} since {}: {}",
            text("check"),
            text("since"),
            Escaped(text("reason"))
        ));
    }
    for degraded in status.health["degraded"].as_array().into_iter().flatten() {
        let text = |key: &str| degraded[key].as_str().unwrap_or("?").to_owned();
        lines.push(format!("warning   {}: {}", text("check"), Escaped(text("reason"))));
    }
    lines
}

/// A value as indented lines, its strangers' text escaped.
pub(crate) fn print_value(screen: &Screen, indent: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Object(_) | Value::Array(_) => {
                        screen.print(&format!("{indent}{name}"));
                        print_value(screen, &format!("{indent}  "), value);
                    }
                    Value::String(text) => screen.print(&format!("{indent}{name}  {}", Escaped(text))),
                    other => screen.print(&format!("{indent}{name}  {other}")),
                }
            }
        }
        Value::Array(items) if items.is_empty() => screen.print(&format!("{indent}none")),
        Value::Array(items) => items.iter().for_each(|item| print_value(screen, indent, item)),
        Value::String(text) => screen.print(&format!("{indent}{}", Escaped(text))),
        other => screen.print(&format!("{indent}{other}")),
    }
}

/// Prints the wallets, for how many sessions of a size each is good at today's rent, and what the ledger says.
///
/// # Errors
/// The keys cannot be read, or the chain does not answer.
pub(crate) async fn wallet(settings: &Settings, screen: &Screen, json: bool) -> Result<Ending> {
    /// The size of a session with a short id and no namespaces.
    const SMALL_BYTES: usize = 168;
    let (pool, addresses) = (rpc_pool(settings)?, wallet_addresses(settings).await?);
    let unanswered = |error| ReachError::of(settings, error);
    let rent = |size: usize| {
        let ask =
            move |client: Arc<RpcClient>| async move { client.get_minimum_balance_for_rent_exemption(size).await };
        pool.call("getMinimumBalanceForRentExemption", None, ask)
    };
    let (small, large) = (
        rent(SMALL_BYTES).await.map_err(unanswered)?,
        rent(usize::try_from(settings.policy.size_max_bytes)?)
            .await
            .map_err(unanswered)?,
    );
    let policy = &settings.policy;
    let mut low = false;
    let mut wallets = Vec::new();
    for address in addresses {
        let ask = move |client: Arc<RpcClient>| async move { client.get_balance(&address).await };
        let lamports = pool.call("getBalance", None, ask).await.map_err(unanswered)?;
        low |= lamports < policy.wallet_low_lamports;
        let spendable = lamports.saturating_sub(policy.wallet_reserve_lamports);
        wallets.push(json!({
            "address": address.to_string(),
            "lamports": lamports,
            "spendable_lamports": spendable,
            "is_low": lamports < policy.wallet_low_lamports,
            "sessions_of_168_bytes": spendable / small.max(1),
            "sessions_of_the_largest_size": spendable / large.max(1),
        }));
    }
    let told = json!({
        "rent_of_168_bytes_lamports": small,
        "wallets": wallets,
        "ledger": ledger(settings).await?,
    });
    if json {
        screen.print(&serde_json::to_string_pretty(&told)?);
    } else {
        print_value(screen, "", &told);
    }
    Ok(if low { Ending::Bad } else { Ending::Done })
}

/// What the ledger says, beside the running service; nothing where none has run yet.
async fn ledger(settings: &Settings) -> Result<Option<Value>> {
    let now = session_clock::now();
    let summary = if let Some(shared) = shared_ledger(settings).await? {
        shared.summary(now).await?
    } else {
        match Reader::open(&settings.service.state_dir).await {
            Ok(reader) => reader.ledger_summary(spending_limits(settings), now).await?,
            Err(StoreError::NoStore { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    };
    let requesters = summary.requesters.iter();
    let requesters: serde_json::Map<String, Value> = requesters
        .map(|(requester, sums)| (requester.to_string(), sums_json(sums)))
        .collect();
    Ok(Some(json!({
        "open_transactions": summary.open_holds,
        "total": sums_json(&summary.total),
        "requesters": requesters,
    })))
}

fn sums_json(sums: &Sums) -> Value {
    json!({
        "locked_in_rent_lamports": sums.locked_lamports,
        "lost_to_closed_sessions_lamports": sums.lost_lamports,
        "spent_on_fees_lamports": sums.fee_lamports,
        "held_lamports": sums.held_lamports,
        "budget_left_lamports": sums.budget_left_lamports,
    })
}

/// Prints every key with the value that is in force, and where it comes from if that is asked for.
pub(crate) fn show_config(shown: &[Shown], screen: &Screen, origin: bool, json: bool) -> Result<Ending> {
    if json {
        let keys = shown
            .iter()
            .map(|shown| json!({ "key": shown.key, "value": shown.value, "origin": shown.origin }));
        screen.print(&serde_json::to_string_pretty(&keys.collect::<Value>())?);
        return Ok(Ending::Done);
    }
    for Shown {
        key,
        value,
        origin: from,
    } in shown
    {
        let from = if origin { format!("    # {from}") } else { String::new() };
        screen.print(&format!("{key} = {}{}", Escaped(value), Escaped(from)));
    }
    Ok(Ending::Done)
}
