//! `listener health`, as a container's health check runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{net::Ipv4Addr, process::Output, sync::Arc, time::Duration};

use session_admin::{HealthRegistry, Pages, Stats};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

async fn probe(port: u16) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_listener"));
    command
        .arg("health")
        .env("SESSION_BUILDER__MONITORING__METRICS_PORT", port.to_string())
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_exit_code_is_the_health() {
    let socket = session_admin::bind(Ipv4Addr::LOCALHOST.into(), 0).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let (health, stop) = (HealthRegistry::default(), CancellationToken::new());
    let pages = Pages {
        health: health.clone(),
        stats: Arc::new(Stats::default()),
        metrics: None,
        api: None,
    };
    let server = tokio::spawn(session_admin::serve(socket, pages, stop.clone()));

    let healthy = probe(port).await;
    assert!(healthy.status.success(), "{healthy:?}");
    assert!(String::from_utf8(healthy.stdout).unwrap().contains("\"healthy\""));

    health.expect("event_stream", Duration::from_mins(1));
    let unhealthy = probe(port).await;
    assert!(!unhealthy.status.success(), "{unhealthy:?}");
    assert!(String::from_utf8(unhealthy.stdout).unwrap().contains("event_stream"));

    stop.cancel();
    server.await.unwrap();
    let gone = probe(port).await;
    assert!(!gone.status.success(), "{gone:?}");
}
