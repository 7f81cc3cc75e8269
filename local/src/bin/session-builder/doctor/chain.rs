//! The RPC endpoints, what they are able to do, and the programs on their cluster.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use session_chain::{
    RpcClient, RpcPool,
    cluster::version_1_everywhere,
    replies::{Deployment, deployments},
};
use session_config::{Settings, TransactionVersion};
use solana_client::rpc_request::RpcRequest;
use solana_pubkey::Pubkey;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{Fault, Finding, PATIENCE, fault, found};

/// A clock that is further off breaks deadlines, latencies and signatures of AWS.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(30);
/// An endpoint that is so many slots behind another has lost the cluster: a transaction lives for as long
/// (Solana, `MAX_PROCESSING_AGE`).
const SLOTS_BEHIND_MAX: u64 = 150;

/// What can be asked once every endpoint answers.
pub(super) async fn look(settings: &Settings, pool: &RpcPool) -> Vec<Finding> {
    let mut findings = vec![
        found("cluster", cluster(pool).await),
        found("slots", slots(settings, pool).await),
        found("accounts", program_accounts(settings, pool).await),
        found("version 1", version_1(settings, pool).await),
        found("clock", clock(pool).await),
    ];
    findings.extend(programs(settings, pool).await);
    findings
}

/// The endpoints by their keys in the configuration, without secrets.
fn named(settings: &Settings) -> Vec<(String, String)> {
    let first = (String::from("rpc.url"), settings.rpc.url.to_string());
    let others = settings.rpc.fallback_urls.iter().enumerate();
    let others = others.map(|(index, url)| (format!("rpc.fallback_urls, item {}", index + 1), url.to_string()));
    std::iter::once(first).chain(others).collect()
}

async fn slots(settings: &Settings, pool: &RpcPool) -> Result<String, Fault> {
    let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
    let answers = pool.on_each("getSlot", Some(Instant::now() + PATIENCE), ask).await;
    let newest = answers.iter().flatten().copied().max().unwrap_or_default();
    for ((key, url), answer) in named(settings).iter().zip(answers) {
        let slot = answer.map_err(|error| fault(error, format!("mend {key}")))?;
        if newest - slot > SLOTS_BEHIND_MAX {
            return Err(fault(
                format!("{key} = {url} is {} slots behind the others", newest - slot),
                format!("take another endpoint for {key}, or wait until that node has caught up"),
            ));
        }
    }
    Ok(format!("all endpoints are near slot {newest}"))
}

/// Reconciliation lists the factory's accounts, which some providers do not serve.
async fn program_accounts(settings: &Settings, pool: &RpcPool) -> Result<String, Fault> {
    let nothing =
        json!([settings.service.program_id.to_string(), {"encoding": "base64", "filters": [{"dataSize": 1}]}]);
    let nothing = &nothing;
    let ask = |client: Arc<RpcClient>| async move {
        client
            .send::<Value>(RpcRequest::GetProgramAccounts, nothing.clone())
            .await
    };
    let answers = pool
        .on_each("getProgramAccounts", Some(Instant::now() + PATIENCE), ask)
        .await;
    let named = named(settings);
    let able = answers.iter().filter(|answer| answer.is_ok()).count();
    if able > 0 {
        return Ok(format!("{able} of {} endpoints list a program's accounts", named.len()));
    }
    let reason = answers.into_iter().find_map(Result::err).map(|error| error.to_string());
    Err(fault(
        format!("no endpoint serves getProgramAccounts: {}", reason.unwrap_or_default()),
        "add an endpoint that does to rpc.fallback_urls, or set listener.reconcile_interval_secs = 0 and live without \
         the second source of what was requested",
    ))
}

/// Transactions of version 1 carry the most accounts. An endpoint that cannot read them takes none of ours, or, where the
/// format may be chosen, has each batch sent in more transactions than it needs.
async fn version_1(settings: &Settings, pool: &RpcPool) -> Result<String, Fault> {
    let wanted = settings.creation.transaction_version;
    if wanted == TransactionVersion::V0 {
        return Ok(String::from("not used: creation.transaction_version is \"v0\""));
    }
    // Who pays is all the same for a transaction that moves nothing and is not sent.
    let asked = version_1_everywhere(pool, &settings.service.program_id, Instant::now() + PATIENCE).await;
    let answers = asked.map_err(|error| fault(error, "mend the RPC first"))?;
    let mut unable = Vec::new();
    for ((key, url), answer) in named(settings).into_iter().zip(answers) {
        match answer {
            Ok(true) => {}
            Ok(false) => unable.push((key, url)),
            Err(error) => return Err(fault(error, format!("mend {key}"))),
        }
    }
    let all = named(settings).len();
    match unable.first() {
        None => Ok(String::from("all endpoints take transactions of version 1")),
        Some(_) if unable.len() == all && wanted == TransactionVersion::Auto => Ok(String::from(
            "no endpoint takes transactions of version 1; version 0 is used",
        )),
        Some((key, url)) => Err(fault(
            format!("{key} = {url} takes no transactions of version 1"),
            format!(
                "take another endpoint for {key}; or set creation.transaction_version = {}",
                if unable.len() == all {
                    "\"auto\""
                } else {
                    "\"v0\", at more fees"
                }
            ),
        )),
    }
}

/// Each endpoint: whether it answers, and how far it is.
pub(super) async fn endpoints(settings: &Settings, pool: &RpcPool) -> Vec<Finding> {
    let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
    let answers = pool.on_each("getSlot", Some(Instant::now() + PATIENCE), ask).await;
    let mut findings = Vec::new();
    for ((key, url), answer) in named(settings).into_iter().zip(answers) {
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

pub(super) async fn websocket(pool: &RpcPool) -> Result<String, Fault> {
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
    let now = session_clock::epoch_secs(session_clock::now());
    let off = now.abs_diff(u64::try_from(block_time).unwrap_or_default());
    if Duration::from_secs(off) > CLOCK_OFF_MAX {
        let reason = format!("this machine and the cluster are {off} s apart");
        return Err(fault(reason, "set the clock: timedatectl set-ntp true"));
    }
    Ok(format!("{off} s from the cluster's"))
}

/// The programs by the settings that name them, each of which has to be there.
async fn programs(settings: &Settings, pool: &RpcPool) -> Vec<Finding> {
    let factory = ("factory", "service.program_id", settings.service.program_id);
    let owners = settings.policy.allowed_owner_programs.iter();
    let owners = owners.map(|address| ("owner program", "policy.allowed_owner_programs", *address));
    let named: Vec<_> = std::iter::once(factory).chain(owners).collect();
    let addresses: Vec<Pubkey> = named.iter().map(|(.., address)| *address).collect();
    match deployments(pool, &addresses, Some(Instant::now() + PATIENCE)).await {
        Ok(deployments) => {
            let each = named.into_iter().zip(deployments);
            each.map(|((name, key, address), deployment)| found(name, program(key, &address, deployment)))
                .collect()
        }
        Err(error) => vec![found("factory", Err(fault(error, "mend the RPC first")))],
    }
}

fn program(key: &str, address: &Pubkey, deployment: Deployment) -> Result<String, Fault> {
    let reason = match deployment {
        Deployment::Program => return Ok(format!("{address} is there")),
        Deployment::NotExecutable => format!("{key}: {address} is an account, and no program"),
        Deployment::Missing => format!("{key}: no program is at {address}"),
    };
    let remedy = format!("deploy it to this cluster, or set {key} to the program that is there");
    Err(fault(reason, remedy))
}
