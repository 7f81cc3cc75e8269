//! The commands `health` and `live`: ask a running listener, for containers that have no other HTTP client.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use session_config::Settings;
use tokio::time::timeout;

/// The page is made of stored state and answers at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the page ever has.
const PAGE_SIZE_MAX_BYTES: usize = 64 * 1024;

/// Succeeds if the page of the listener answers with success.
///
/// # Errors
/// What it says is wrong, or that it does not answer.
pub(crate) async fn probe(settings: &Settings, page: &str) -> Result<()> {
    let monitoring = &settings.monitoring;
    let address = if monitoring.bind_address.is_unspecified() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        monitoring.bind_address
    };
    let url = format!(
        "http://{}{page}",
        std::net::SocketAddr::new(address, monitoring.metrics_port)
    );
    let answer = async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let response = client.get(url.parse()?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), PAGE_SIZE_MAX_BYTES).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let (status, body) = match timeout(PATIENCE, answer).await {
        Ok(answered) => answered.with_context(|| format!("{url} cannot be asked"))?,
        Err(_) => bail!("{url} does not answer within {PATIENCE:?}"),
    };
    println!("{body}");
    if !status.is_success() {
        bail!("{url} answers {status}");
    }
    Ok(())
}
