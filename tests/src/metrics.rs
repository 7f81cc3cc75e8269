//! What is counted in a test's own process.

use std::sync::OnceLock;

use session_chain::Endpoint;
use session_telemetry::{PrometheusHandle, names};

/// All metrics of this process, in Prometheus's format. Whoever wants something counted asks for them once before.
pub fn metrics() -> String {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| session_telemetry::install_prometheus().unwrap())
        .render()
}

/// The value of one series, such as `name{label="value"}`; 0 where there is none.
#[must_use]
pub fn series(series: &str) -> f64 {
    text(series).map_or(0.0, |value| value.parse().unwrap())
}

/// The same of a counter.
#[must_use]
pub fn count(series: &str) -> u64 {
    text(series).map_or(0, |value| value.parse().unwrap())
}

fn text(series: &str) -> Option<String> {
    let metrics = metrics();
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(str::to_owned)
}

/// How often an endpoint was contradicted about a subject.
#[must_use]
pub fn disagreements(endpoint: &Endpoint, subject: &str) -> u64 {
    let name = names::LISTENER_DISAGREEMENTS_TOTAL;
    count(&format!(
        "{name}{{endpoint=\"{}\",subject=\"{subject}\"}}",
        endpoint.label()
    ))
}
