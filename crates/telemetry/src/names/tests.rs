//! The table holds together, and the recorder shows all of it.

use std::collections::BTreeSet;

use metrics::with_local_recorder;

use super::*;
use crate::prometheus;

/// Two names of the contract are not as Prometheus would have them.
const FIXED: [&str; 2] = [SERVICE_UPTIME_SECONDS, EVENT_PROCESSING_DURATION];

#[test]
fn the_contract_is_kept() {
    let contract = [
        ("accounts_created_total", Kind::Counter),
        ("accounts_failed_total", Kind::Counter),
        ("event_processing_duration", Kind::Histogram),
        ("rpc_connection_status", Kind::Gauge),
        ("service_uptime_seconds", Kind::Counter),
        ("queue_size", Kind::Gauge),
        ("wallet_balance_lamports", Kind::Gauge),
    ];
    let named: Vec<_> = ALL[..7].iter().map(|metric| (metric.name, metric.kind)).collect();
    assert_eq!(named, contract);
}

#[test]
fn names_are_unique_snake_case_and_say_what_counts() {
    let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
    for Metric {
        name,
        kind,
        help,
        labels,
        ..
    } in ALL
    {
        let snake_case = |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        assert!(snake_case(name), "{name}");
        assert!(
            FIXED.contains(name) || name.ends_with("_total") == (*kind == Kind::Counter),
            "{name}"
        );
        assert!(help.ends_with('.'), "{name}: {help}");
        for (label, values) in *labels {
            let different: BTreeSet<_> = values.iter().collect();
            assert!(
                snake_case(label) && different.len() == values.len(),
                "{name}: {label}: {values:?}"
            );
        }
    }
}

#[test]
fn every_series_is_there_before_anything_is_measured() {
    let recorder = prometheus().unwrap();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || {
        describe();
        register();
    });
    let page = handle.render();
    for metric in ALL {
        let Metric { name, help, .. } = metric;
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let series = metric.series();
        for labels in &series {
            let labels: Vec<String> = labels
                .iter()
                .map(|label| format!("{}=\"{}\"", label.key(), label.value()))
                .collect();
            let part = if metric.kind == Kind::Histogram { "_count" } else { "" };
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            let line = format!("{name}{part}{labels} 0\n");
            assert!(page.contains(&line), "{line} in:\n{page}");
        }
        if !series.is_empty() {
            let described = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
            assert!(page.contains(&described), "{described} in:\n{page}");
        }
    }
}

#[test]
fn durations_are_counted_around_slots_and_deadlines() {
    let recorder = prometheus().unwrap();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || histogram!(EVENT_PROCESSING_DURATION).record(0.45));
    let page = handle.render();
    // 0.45 s is over the bucket of 0.4 s and in the one of 0.5 s, the shortest deadline.
    for line in [
        "event_processing_duration_bucket{le=\"0.4\"} 0",
        "event_processing_duration_bucket{le=\"0.5\"} 1",
    ] {
        assert!(page.contains(line), "{line} in:\n{page}");
    }
}
