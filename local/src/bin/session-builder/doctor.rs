//! The command `doctor`: looks at everything a service needs, and says of each thing that is missing what cures it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use create_accounts::{rpc_pool, signers};
use serde_json::json;
use session_builder::{client::Client, queues::Queues, screen::Screen};
use session_chain::{RpcClient, RpcPool};
use session_config::{QueueKind, Settings};
use session_telemetry::Escaped;
use solana_pubkey::Pubkey;
use tokio::{net::TcpStream, time::timeout};

use crate::exit::Ending;

/// One look takes no longer.
const PATIENCE: Duration = Duration::from_secs(8);
/// A clock that is further off breaks deadlines, latencies and signatures of AWS.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(30);

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
    let mut findings = vec![
        found("state_dir", state_dir(settings).await),
        found("proxy", Ok(proxy(settings))),
    ];
    let pool = match rpc_pool(settings) {
        Ok(pool) => pool,
        Err(error) => {
            findings.push(found("rpc", Err(fault(error, "mend rpc.url and rpc.fallback_urls"))));
            return findings;
        }
    };
    findings.extend(endpoints(settings, &pool).await);
    let reachable = findings
        .iter()
        .all(|finding| finding.what != "rpc" || finding.outcome.is_ok());
    findings.push(found("websocket", websocket(&pool).await));
    if reachable {
        findings.push(found("cluster", cluster(&pool).await));
        findings.push(found("clock", clock(&pool).await));
        findings.push(found(
            "factory",
            program(&pool, settings.service.program_id, "service.program_id").await,
        ));
        for program_id in &settings.policy.allowed_owner_programs {
            let key = "policy.allowed_owner_programs";
            findings.push(found("owner program", program(&pool, *program_id, key).await));
        }
    }
    findings.push(found("wallet", wallet(settings, &pool, reachable).await));
    findings.push(found("queue", queue(settings).await));
    findings
}

fn found(what: &'static str, outcome: Result<String, Fault>) -> Finding {
    Finding { what, outcome }
}

async fn state_dir(settings: &Settings) -> Result<String, Fault> {
    let folder = &settings.service.state_dir;
    let shown = folder.display();
    if let Ok(client) = Client::of(folder)
        && let Ok(status) = client.status().await
    {
        return Ok(format!("{shown} belongs to the running service, pid {}", status.pid));
    }
    let remedy =
        format!("make it writable for this user: mkdir -p {shown} && chown $(id -u) {shown}, or set service.state_dir");
    writable(folder).map_err(|error| fault(format!("{shown}: {error}"), remedy))?;
    Ok(format!("{shown} can be written"))
}

fn writable(folder: &Path) -> std::io::Result<()> {
    let existing = folder
        .ancestors()
        .find(|part| part.exists() && !part.as_os_str().is_empty());
    let place = if folder.exists() {
        folder
    } else {
        existing.unwrap_or(Path::new("."))
    };
    tempfile::tempfile_in(place).map(drop)
}

/// The service asks this machine directly; other hosts go by the variables, which may be what nobody thought of.
fn proxy(settings: &Settings) -> String {
    let set: Vec<&str> = [
        "https_proxy",
        "HTTPS_PROXY",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ]
    .into_iter()
    .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    .collect();
    if set.is_empty() {
        String::from("no proxy variables")
    } else {
        format!(
            "{} in force for {}; NO_PROXY excepts hosts",
            set.join(", "),
            settings.rpc.url
        )
    }
}

async fn endpoints(settings: &Settings, pool: &RpcPool) -> Vec<Finding> {
    let urls: Vec<String> = std::iter::once(settings.rpc.url.to_string())
        .chain(settings.rpc.fallback_urls.iter().map(ToString::to_string))
        .collect();
    let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
    let answers = pool.on_each("getSlot", Some(Instant::now() + PATIENCE), ask).await;
    let mut findings = Vec::new();
    for (index, (url, answer)) in urls.iter().zip(answers).enumerate() {
        let key = if index == 0 {
            String::from("rpc.url")
        } else {
            format!("rpc.fallback_urls, item {index}")
        };
        findings.push(found(
            "rpc",
            answer.map(|slot| format!("{url} is at slot {slot}")).map_err(|error| {
                let remedy = format!("is it running, is the key valid? mend {key}, or see: curl -s {url} -H 'content-type: application/json' -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getHealth\"}}'");
                fault(format!("{key} = {url}: {error}"), remedy)
            }),
        ));
    }
    findings
}

async fn websocket(pool: &RpcPool) -> Result<String, Fault> {
    let endpoint = pool.endpoints().remove(0);
    let remedy = "set rpc.ws_url to the endpoint's WebSocket; without it accounts come late";
    let url = url::Url::parse(&endpoint.ws).map_err(|error| fault(error, remedy))?;
    let (host, port) = (
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or(443),
    );
    match timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(format!("{host}:{port} can be reached")),
        Ok(Err(error)) => Err(fault(format!("{host}:{port}: {error}"), remedy)),
        Err(_) => Err(fault(format!("{host}:{port}: no answer within {PATIENCE:?}"), remedy)),
    }
}

async fn cluster(pool: &RpcPool) -> Result<String, Fault> {
    let cluster = pool.verify_cluster(Some(Instant::now() + PATIENCE)).await;
    cluster
        .map(|genesis| format!("all endpoints are of the cluster with the genesis hash {genesis}"))
        .map_err(|error| {
            fault(
                error,
                "name endpoints of one cluster only, in rpc.url and rpc.fallback_urls",
            )
        })
}

async fn clock(pool: &RpcPool) -> Result<String, Fault> {
    let deadline = Some(Instant::now() + PATIENCE);
    let ask = |client: Arc<RpcClient>| async move {
        let slot = client.get_slot().await?;
        client.get_block_time(slot).await
    };
    let Ok(block_time) = pool.call("getBlockTime", deadline, ask).await else {
        return Ok(String::from("the node does not tell the time"));
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let off = now.abs_diff(u64::try_from(block_time).unwrap_or_default());
    if Duration::from_secs(off) > CLOCK_OFF_MAX {
        let reason = format!("this machine and the cluster are {off} s apart");
        return Err(fault(reason, "set the clock: timedatectl set-ntp true"));
    }
    Ok(format!("{off} s from the cluster's"))
}

async fn program(pool: &RpcPool, address: Pubkey, key: &str) -> Result<String, Fault> {
    let commitment = pool.commitment();
    let ask = |client: Arc<RpcClient>| async move { client.get_account_with_commitment(&address, commitment).await };
    let account = pool.call("getAccountInfo", Some(Instant::now() + PATIENCE), ask).await;
    let remedy = format!("deploy it to this cluster, or set {key} to the program that is there");
    match account.map(|answer| answer.value) {
        Ok(Some(account)) if account.executable => Ok(format!("{address} is there")),
        Ok(Some(_)) => Err(fault(format!("{key}: {address} is an account, and no program"), remedy)),
        Ok(None) => Err(fault(format!("{key}: no program is at {address}"), remedy)),
        Err(error) => Err(fault(error, "mend the RPC first")),
    }
}

async fn wallet(settings: &Settings, pool: &RpcPool, reachable: bool) -> Result<String, Fault> {
    let signers = signers(settings).await.map_err(|error| {
        let path = settings.service.keypair_path.display();
        let remedy = format!("solana-keygen new --no-bip39-passphrase -o {path} && chmod 600 {path}, or set service.keypair_path or [signer]");
        fault(error, remedy)
    })?;
    let addresses = signers.addresses();
    if !reachable {
        return Ok(format!(
            "{} can sign",
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
    }
    let mut spendable: u64 = 0;
    for address in &addresses {
        let address = *address;
        let ask = move |client: Arc<RpcClient>| async move { client.get_balance(&address).await };
        let balance = pool.call("getBalance", Some(Instant::now() + PATIENCE), ask).await;
        let balance = balance.map_err(|error| fault(error, "mend the RPC first"))?;
        spendable = spendable.saturating_add(balance.saturating_sub(settings.policy.wallet_reserve_lamports));
    }
    let address = addresses.first().copied().unwrap_or_default();
    if spendable == 0 {
        let reason = format!(
            "wallet {address} has nothing above its reserve of {} lamports",
            settings.policy.wallet_reserve_lamports
        );
        return Err(fault(
            reason,
            format!("solana transfer {address} 1 --allow-unfunded-recipient"),
        ));
    }
    Ok(format!("{address} can spend {spendable} lamports"))
}

async fn queue(settings: &Settings) -> Result<String, Fault> {
    if settings.queue.kind == QueueKind::Memory {
        return Ok(String::from("in memory"));
    }
    let remedy =
        "mend [queue], and AWS's credentials and region; the queue needs sqs:GetQueueAttributes and so on (infra/)";
    let queues = Queues::open(settings).await.map_err(|error| fault(error, remedy))?;
    let source = timeout(PATIENCE, queues.source.depth()).await;
    let letters = timeout(PATIENCE, queues.dead_letters.depth()).await;
    for (key, depth) in [("queue.url", source), ("queue.dead_letter_url", letters)] {
        match depth {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(fault(format!("{key}: {error}"), remedy)),
            Err(_) => return Err(fault(format!("{key}: no answer within {PATIENCE:?}"), remedy)),
        }
    }
    Ok(String::from("SQS answers for both queues"))
}
