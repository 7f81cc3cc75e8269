//! What the service tells about itself: the names of its metrics, the recorder that keeps them, and its logs.

mod causes;
pub mod cloudwatch;
mod escape;
mod logs;
pub mod names;
mod recorder;

pub use causes::in_full;
pub use escape::{Escaped, Quoted};
pub use logs::{LogError, LogFormat, LogSink, init_logs, init_logs_to, withhold};
pub use metrics_exporter_prometheus::PrometheusHandle;
pub use recorder::{RecorderError, install_prometheus, install_with_cloudwatch, prometheus};
