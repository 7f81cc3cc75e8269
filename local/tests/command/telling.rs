//! What a service tells of itself from its first seconds on.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use session_telemetry::names::{self, Kind};
use tokio::time::Instant;

use crate::process::{Run, page, summary};

/// From the first line to a green light and a complete page.
const SOON: Duration = Duration::from_secs(3);

/// The service's contract, in names.
const CONTRACT: [(&str, &str); 7] = [
    ("accounts_created_total", "counter"),
    ("accounts_failed_total", "counter"),
    ("event_processing_duration", "histogram"),
    ("rpc_connection_status", "gauge"),
    ("service_uptime_seconds", "counter"),
    ("queue_size", "gauge"),
    ("wallet_balance_lamports", "gauge"),
];

#[tokio::test]
async fn all_is_told_within_three_seconds() {
    let mut run = Run::start(&[]);
    run.line().await.unwrap();
    let began = Instant::now();
    let address = run.pages().await;
    healthy(address, began).await;
    let (_, metrics) = page(address, "/metrics").await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for (name, kind) in CONTRACT {
        assert!(
            metrics.contains(&format!("# TYPE {name} {kind}\n")),
            "{name} in:\n{metrics}"
        );
    }
    for gauge in ["rpc_connection_status 1\n", "wallet_balance_lamports 1000000000000\n"] {
        assert!(metrics.contains(gauge), "{gauge} in:\n{metrics}");
    }
    run.interrupt().await;
    summary(&run.rest().await);
    assert!(run.end().await.success());
}

async fn healthy(address: SocketAddr, began: Instant) {
    loop {
        let (status, body) = page(address, "/health").await;
        if status == 200 {
            return;
        }
        assert!(began.elapsed() < SOON, "{body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Names, types and labels are what the table says, before anything was counted and after.
#[tokio::test]
async fn the_metrics_are_those_of_the_table() {
    let mut run = Run::start(&["--rate", "10"]);
    let address = run.pages().await;
    let (_, first) = page(address, "/metrics").await;
    for metric in names::ALL {
        for labels in metric.series() {
            let part = if metric.kind == Kind::Histogram { "_count" } else { "" };
            let labels: Vec<String> = labels
                .iter()
                .map(|label| format!("{}=\"{}\"", label.key(), label.value()))
                .collect();
            let braced = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            let start = format!("\n{}{part}{braced} ", metric.name);
            assert!(first.contains(&start), "{start} in:\n{first}");
        }
    }
    for _ in 0..5 {
        run.line_of("verified ").await;
    }
    let (_, later) = page(address, "/metrics").await;
    for (name, kind) in types(&later) {
        let metric = names::ALL.iter().find(|metric| metric.name == name);
        let expected = metric.map(|metric| format!("{:?}", metric.kind).to_lowercase());
        assert_eq!(expected.as_deref(), Some(kind), "{name}");
    }
    for (name, label, value) in labels(&later) {
        let metric = names::ALL
            .iter()
            .find(|metric| name.starts_with(metric.name) && metric.labels.iter().any(|(key, _)| *key == label));
        let Some(metric) = metric else {
            panic!("{name} has no label {label} in the table")
        };
        let values = metric.labels.iter().find(|(key, _)| *key == label).unwrap().1;
        assert!(
            values.is_empty() || values.contains(&value),
            "{name}: {label}={value:?} is not in the table"
        );
    }
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
}

fn types(page: &str) -> BTreeMap<&str, &str> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.filter_map(|line| line.split_once(' ')).collect()
}

/// Every label of every series; the bounds of buckets are the recorder's own.
fn labels(page: &str) -> Vec<(&str, &str, &str)> {
    let series = page.lines().filter(|line| !line.starts_with('#'));
    let labelled = series.filter_map(|line| line.split_once('{'));
    labelled
        .flat_map(|(name, rest)| {
            let inner = rest.rsplit_once('}').map_or("", |(inner, _)| inner);
            let pairs = inner.split("\",").filter_map(|pair| pair.split_once("=\""));
            pairs.map(move |(label, value)| (name, label, value.trim_end_matches('"')))
        })
        .filter(|(_, label, _)| *label != "le")
        .collect()
}
