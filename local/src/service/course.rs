//! What a run on a configured chain and one on the embedded chain have in common: parts, announcement, summary.

use std::{sync::Arc, time::Duration};

use create_accounts::RecordObserver;
use session_chain::RpcPool;
use session_config::Settings;
use session_engine::SignerPool;
use session_listener::EventHandler;
use session_telemetry::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    display::Display,
    invoker::FunctionUrl,
    latencies::LatencySummary,
    pipeline::{Pipeline, PipelineParts},
};

/// The pipeline's parts where a display watches.
pub(crate) fn parts(
    chain: String,
    pool: RpcPool,
    signers: SignerPool,
    display: &Arc<Display>,
    event_handlers: Vec<Arc<dyn EventHandler>>,
    metrics: &PrometheusHandle,
) -> PipelineParts {
    let renderer = metrics.clone();
    PipelineParts {
        pool,
        chain,
        signers,
        observer: Arc::clone(display) as Arc<dyn RecordObserver>,
        metrics: Some(Arc::new(move || renderer.render())),
        event_handlers,
    }
}

/// Waits for a function in another process: one that is still being built would cost every message its attempts.
pub(crate) async fn function_ready(settings: &Settings, display: &Display) {
    let Some(url) = &settings.service.function_url else {
        return;
    };
    display.say(&format!("function  {url}: waiting for it"));
    let function = FunctionUrl::new(url.clone());
    let told = |reason: &str| display.say(&format!("function  still waiting: {reason}"));
    function.ready(told).await;
    display.say("function  ready");
}

/// Says where the service is watched, and how it is stopped.
pub(crate) fn announce(display: &Display, pipeline: &Pipeline) {
    let address = pipeline.address();
    display.say(&format!(
        "endpoints http://{address}/health  http://{address}/stats  http://{address}/metrics"
    ));
    display.say("Ctrl-C drains and stops; a second one stops at once");
}

/// Drains the service and sums it up.
pub(crate) async fn finish(pipeline: Pipeline, display: &Display) {
    display.finish();
    display.say("draining");
    let dead_letters = Arc::clone(pipeline.dead_letters());
    pipeline.drain().await;
    let waiting = match dead_letters.depth().await {
        Ok(depth) => format!("{} waiting", depth.total()),
        Err(_) => String::from("how many wait is unknown"),
    };
    let totals = display.totals().borrow().clone();
    display.say(&format!(
        "summary   verified {}  created {}  existed {}  skipped {}  retried {}  deferred {}  dead letters {} ({waiting})",
        display.accounts_verified(),
        totals.created,
        totals.existed,
        totals.skipped,
        totals.retried,
        totals.deferred,
        totals.dead_lettered,
    ));
    let LatencySummary { p50, p99, max } = display.latencies();
    let (p50, p99, max) = (p50.as_millis(), p99.as_millis(), max.as_millis());
    display.say(&format!("latency   p50 {p50} ms  p99 {p99} ms  slowest {max} ms"));
    let LatencySummary { p50, p99, max } = display.latencies_in_slots();
    display.say(&format!("in slots  p50 {p50}  p99 {p99}  slowest {max}"));
}

/// The recorder needs to be told to forget old samples.
pub(crate) async fn upkeep(metrics: PrometheusHandle, stop: CancellationToken) {
    const EVERY: Duration = Duration::from_secs(5);
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        metrics.run_upkeep();
    }
}
