//! This machine: its state folder, its ports, the function on it, and its environment.

use std::{net::SocketAddr, path::Path};

use session_builder::client::Client;
use session_config::Settings;
use session_store::{Reader, StoreError};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Fault, Finding, PATIENCE, fault, found};

pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let running = running(settings).await;
    let mut findings = vec![
        found("state_dir", state_dir(settings, running).await),
        found("proxy", Ok(proxy(settings))),
        found("port", port(settings, running).await),
    ];
    if let Some(url) = &settings.service.function_url {
        findings.push(found("function", function(url).await));
    }
    findings
}

/// The process id of the service that runs with this state folder, if one does and answers.
async fn running(settings: &Settings) -> Option<u32> {
    let client = Client::of(&settings.service.state_dir).ok()?;
    Some(client.status().await.ok()?.pid)
}

async fn state_dir(settings: &Settings, running: Option<u32>) -> Result<String, Fault> {
    let folder = &settings.service.state_dir;
    let shown = folder.display();
    if let Some(pid) = running {
        return Ok(format!("{shown} belongs to the running service, pid {pid}"));
    }
    let remedy =
        format!("make it writable for this user: mkdir -p {shown} && chown $(id -u) {shown}, or set service.state_dir");
    writable(folder).map_err(|error| fault(format!("{shown}: {error}"), remedy))?;
    if let Some(pid) = session_store::owner(folder) {
        let pid = pid.map_or_else(|| String::from("(unknown)"), |pid| pid.to_string());
        return Err(fault(
            format!("{shown} belongs to process {pid}, which does not answer as a service"),
            format!("wait until it ends, or stop it: kill {pid}; or set another service.state_dir"),
        ));
    }
    // What is damaged shows when it is read.
    let read = match Reader::open(folder).await {
        Ok(reader) => reader.dead_letter_depth().await,
        Err(error) => Err(error),
    };
    match read {
        Ok(_) | Err(StoreError::NoStore { .. }) => Ok(format!("{shown} can be written, and nobody else has it")),
        Err(error) => Err(fault(
            error,
            format!("restore {shown} from a backup, or move it away: the service begins a new one"),
        )),
    }
}

async fn port(settings: &Settings, running: Option<u32>) -> Result<String, Fault> {
    let monitoring = &settings.monitoring;
    let address = SocketAddr::new(monitoring.bind_address, monitoring.metrics_port);
    if running.is_some() {
        return Ok(format!("{address} is the running service's"));
    }
    match TcpListener::bind(address).await {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) => Err(fault(
            format!("monitoring.metrics_port: {address}: {error}"),
            "choose another monitoring.metrics_port or monitoring.bind_address",
        )),
    }
}

async fn function(url: &str) -> Result<String, Fault> {
    let remedy = "start it (cargo lambda watch), or mend service.function_url; empty: in this process";
    let parsed = url::Url::parse(url).map_err(|error| fault(error, remedy))?;
    let place = (
        parsed.host_str().unwrap_or_default(),
        parsed.port_or_known_default().unwrap_or(80),
    );
    match timeout(PATIENCE, TcpStream::connect(place)).await {
        Ok(Ok(_)) => Ok(format!("{url} can be reached")),
        Ok(Err(error)) => Err(fault(format!("service.function_url: {url}: {error}"), remedy)),
        Err(_) => Err(fault(format!("service.function_url: {url}: no answer"), remedy)),
    }
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
