//! The command `doctor`: looks at everything a service needs, and says of each thing that is missing what cures it.

mod chain;
mod machine;
mod money;
mod queue;

use std::time::Duration;

use anyhow::Result;
use create_accounts::wallet_addresses;
use serde_json::json;
use session_builder::screen::Screen;
use session_chain::rpc_pool;
use session_config::Settings;
use session_telemetry::Escaped;

use crate::exit::Ending;

/// One look takes no longer.
const PATIENCE: Duration = Duration::from_secs(8);

/// What was found in one place.
struct Finding {
    what: &'static str,
    outcome: Result<String, Fault>,
}

/// What is wrong, and what cures it.
struct Fault {
    reason: String,
    remedy: String,
}

fn fault(reason: impl std::fmt::Display, remedy: impl Into<String>) -> Fault {
    Fault {
        reason: reason.to_string(),
        remedy: remedy.into(),
    }
}

/// Looks at everything, and prints it. Bad where anything is.
///
/// # Errors
/// None of what is wrong; only what cannot be printed.
pub(crate) async fn doctor(settings: &Settings, screen: &Screen, json: bool) -> Result<Ending> {
    let findings = look(settings).await;
    let bad = findings.iter().any(|finding| finding.outcome.is_err());
    if json {
        let found = findings.iter().map(|finding| match &finding.outcome {
            Ok(told) => json!({ "what": finding.what, "ok": true, "told": told }),
            Err(fault) => json!({ "what": finding.what, "ok": false, "reason": fault.reason, "remedy": fault.remedy }),
        });
        screen.print(&serde_json::to_string_pretty(&found.collect::<serde_json::Value>())?);
    } else {
        for Finding { what, outcome } in &findings {
            match outcome {
                Ok(told) => screen.print(&format!("ok    {what:<14}{}", Escaped(told))),
                Err(Fault { reason, remedy }) => {
                    screen.print(&format!("FAULT {what:<14}{}", Escaped(reason)));
                    screen.print(&format!("      remedy        {}", Escaped(remedy)));
                }
            }
        }
    }
    Ok(if bad { Ending::Bad } else { Ending::Done })
}

async fn look(settings: &Settings) -> Vec<Finding> {
    let mut findings = machine::look(settings).await;
    let wallets = wallet_addresses(settings).await;
    findings.push(found("keys", money::keys(settings, wallets.as_ref())));
    let pool = match rpc_pool(settings) {
        Ok(pool) => pool,
        Err(error) => {
            findings.push(found("rpc", Err(fault(error, "mend rpc.url and rpc.fallback_urls"))));
            return findings;
        }
    };
    let endpoints = chain::endpoints(settings, &pool).await;
    let reachable = endpoints.iter().all(|finding| finding.outcome.is_ok());
    findings.extend(endpoints);
    findings.push(found("websocket", chain::websocket(&pool).await));
    if reachable {
        findings.extend(chain::look(settings, &pool).await);
        if let Some(wallets) = wallets.ok().filter(|wallets| !wallets.is_empty()) {
            findings.push(found("wallet", money::wallet(settings, &pool, &wallets).await));
            findings.extend(money::instruction(settings, &pool, &wallets).await);
        }
    }
    findings.push(found("queue", queue::look(settings).await));
    findings
}

fn found(what: &'static str, outcome: Result<String, Fault>) -> Finding {
    Finding { what, outcome }
}
