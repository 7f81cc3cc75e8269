//! Metrics in CloudWatch's embedded metric format: lines on standard output that CloudWatch turns into metrics.

use std::io;

use metrics_cloudwatch_embedded::{Builder, Collector};
use session_telemetry::{cloudwatch::NAMESPACE, names};

/// Lambda's own metrics have the same dimension.
const DIMENSION: &str = "FunctionName";
const REQUEST_ID: &str = "request_id";

/// The process's recorder.
pub(crate) struct EmfMetrics(&'static Collector);

/// Another recorder is installed.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be recorded: {0}")]
pub(crate) struct EmfError(metrics_cloudwatch_embedded::Error);

impl EmfMetrics {
    /// Installs the process's recorder and tells it the metrics' units. Two stacks in one account differ by the name of
    /// their function.
    pub(crate) fn install(function_name: String) -> Result<Self, EmfError> {
        let collector = Builder::new()
            .cloudwatch_namespace(NAMESPACE)
            .with_dimension(DIMENSION, function_name)
            .init()
            .map_err(EmfError)?;
        names::describe();
        Ok(Self(collector))
    }

    /// Writes what was recorded since the last time. Lambda freezes the process once the answer is out, so this comes
    /// before the answer.
    pub(crate) fn flush(&self, request_id: &str) {
        let written = self.0.set_property(REQUEST_ID, request_id).flush(io::stdout().lock());
        if let Err(error) = written {
            tracing::warn!(%error, "metrics of this invocation are lost: standard output took nothing");
        }
    }
}
