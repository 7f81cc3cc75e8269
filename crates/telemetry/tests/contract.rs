//! The metrics as others rely on them: docs/metrics.md has every one with its type, unit, labels and meaning;
//! `infra/prometheus/first_scrape.txt` is what a service shows before it has done anything, for whoever checks it by
//! Prometheus's own tools; and no metric is named anywhere but in the table.
//!
//! With `UPDATE_METRICS=1` the two files are written instead of compared.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use metrics::Unit;
use session_telemetry::{
    names::{self, Kind, Metric},
    prometheus,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a file with what it must hold, or writes it.
fn holds(path: &str, expected: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_METRICS").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what the table of names says; write it: UPDATE_METRICS=1 cargo test -p session-telemetry",
        path.display()
    );
}

#[test]
fn the_document_is_the_table() {
    let mut page = String::from(
        "# Metrics\n\n`GET /metrics` in Prometheus's text format, of `session-builder` and of the listener. The first seven are the service's\n\
        contract. Every series is there from the first scrape, at 0, except those with a label whose values nobody knows\n\
        beforehand (*any*). In AWS the function's metrics go to CloudWatch in its embedded format, under the same names.\n\n\
        | Name | Type | Unit | Labels | Meaning |\n|---|---|---|---|---|\n",
    );
    for metric in names::ALL {
        let labels: Vec<String> = metric.labels.iter().map(label).collect();
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let (name, unit, labels, help) = (metric.name, unit(metric), labels.join("; "), metric.help);
        writeln!(page, "| `{name}` | {kind} | {unit} | {labels} | {help} |").unwrap();
    }
    page.push_str(
        "\nThis file is written from the table in `crates/telemetry/src/names.rs`, and a test compares the two; another test holds\n\
        the names, types and labels in `infra/prometheus/alerts.yml` and `infra/grafana/dashboard.json` against it.\n",
    );
    holds("docs/metrics.md", &page);
}

fn label((name, values): &(&str, &[&str])) -> String {
    if values.is_empty() {
        return format!("`{name}`: *any*");
    }
    let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    format!("`{name}`: {}", values.join(" "))
}

fn unit(metric: &Metric) -> &'static str {
    match metric.unit {
        Unit::Seconds => "seconds",
        Unit::Count => "count",
        other => other.as_str(),
    }
}

#[test]
fn the_first_scrape_is_the_one_that_is_checked() {
    let recorder = prometheus().unwrap();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        names::describe();
        names::register();
    });
    let page = handle.render();
    let mut metrics: Vec<String> = page
        .split("# HELP ")
        .filter(|part| !part.is_empty())
        .map(sorted)
        .collect();
    metrics.sort_unstable();
    let page = metrics
        .iter()
        .fold(String::new(), |page, metric| page + "# HELP " + metric + "\n");
    holds("infra/prometheus/first_scrape.txt", &page);
}

/// One metric's lines in an order that does not change with a hash: its help, its type, its series.
fn sorted(metric: &str) -> String {
    let mut lines: Vec<&str> = metric.lines().filter(|line| !line.is_empty()).collect();
    // The bounds of a histogram stand in their own order.
    if lines
        .iter()
        .any(|line| line.ends_with(" counter") || line.ends_with(" gauge"))
    {
        lines[2..].sort_unstable();
    } else {
        lines[2..].sort_by_key(|line| line.split("event=\"").nth(1).map(|event| event.split('"').next()));
    }
    lines.join("\n") + "\n"
}

#[test]
fn every_kind_is_in_the_table() {
    for kind in [Kind::Counter, Kind::Gauge, Kind::Histogram] {
        assert!(names::ALL.iter().any(|metric| metric.kind == kind));
    }
}

#[test]
fn no_metric_is_named_anywhere_else() {
    let root = root();
    let mut files = Vec::new();
    for folder in ["crates", "functions", "listener", "local"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "{}", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for macro_name in ["counter", "gauge", "histogram"] {
            for call in text.split(&format!("{macro_name}!(")).skip(1) {
                assert!(
                    !call.trim_start().starts_with('"'),
                    "{} names a metric by a literal",
                    file.display()
                );
            }
        }
    }
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests/contract.rs") {
            files.push(path);
        }
    }
}
