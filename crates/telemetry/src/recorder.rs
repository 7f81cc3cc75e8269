//! The Prometheus recorder behind the metrics of a long-lived process.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::layers::{Fanout, FanoutBuilder};

use crate::{cloudwatch::CloudWatch, names};

/// Upper bounds of the latency histograms, in seconds: fine around a slot (0.4 s) and around the deadlines
/// (`docs/contract.md`, "Deadlines": 0.5, 1, 2 and 5 s).
const LATENCY_BUCKETS_SECONDS: &[f64] = &[
    0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 30.0,
];

/// Upper bounds of the histogram of latencies in slots.
const LATENCY_BUCKETS_SLOTS: &[f64] = &[
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 150.0,
];

/// The recorder could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The buckets are refused.
    #[error("the metrics recorder cannot be built: {0}")]
    Build(#[from] BuildError),
    /// Another recorder is installed.
    #[error("metrics are recorded elsewhere already: a process has one recorder, and it is installed once")]
    AlreadyInstalled,
}

/// Installs the process's recorder, and describes and shows all metrics from the start. The handle renders them.
///
/// # Errors
/// [`RecorderError`].
pub fn install_prometheus() -> Result<PrometheusHandle, RecorderError> {
    let (recorder, handle) = shown()?;
    metrics::set_global_recorder(recorder).map_err(|_| RecorderError::AlreadyInstalled)?;
    Ok(handle)
}

/// The same, for a process that tells CloudWatch as well.
///
/// # Errors
/// [`RecorderError`].
pub fn install_with_cloudwatch(cloudwatch: CloudWatch) -> Result<PrometheusHandle, RecorderError> {
    let (recorders, handle) = with_cloudwatch(cloudwatch)?;
    metrics::set_global_recorder(recorders).map_err(|_| RecorderError::AlreadyInstalled)?;
    Ok(handle)
}

/// Both recorders. Prometheus shows every series from the start; CloudWatch is told of none before it is measured.
pub(crate) fn with_cloudwatch(cloudwatch: CloudWatch) -> Result<(Fanout, PrometheusHandle), RecorderError> {
    let (recorder, handle) = shown()?;
    let both = FanoutBuilder::default().add_recorder(recorder).add_recorder(cloudwatch);
    Ok((both.build(), handle))
}

/// A recorder that shows every series.
fn shown() -> Result<(PrometheusRecorder, PrometheusHandle), RecorderError> {
    let recorder = prometheus()?;
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        names::describe();
        names::register();
    });
    Ok((recorder, handle))
}

/// A recorder of its own, for whoever does not want the process's.
///
/// # Errors
/// [`RecorderError::Build`].
pub fn prometheus() -> Result<PrometheusRecorder, RecorderError> {
    let duration = Matcher::Full(String::from(names::EVENT_PROCESSING_DURATION));
    let slots = Matcher::Full(String::from(names::CREATION_LATENCY_SLOTS));
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(duration, LATENCY_BUCKETS_SECONDS)?
        .set_buckets_for_metric(slots, LATENCY_BUCKETS_SLOTS)?
        .build_recorder())
}
