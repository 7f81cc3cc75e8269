//! Runs the service on the configured chain, until it is stopped.

use std::sync::Arc;

use create_accounts::{SetupError, signers};
use session_chain::rpc_pool;
use session_config::Settings;
use session_listener::{EventHandler, ListenerStatus};
use session_telemetry::PrometheusHandle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    display::Display,
    pipeline::Pipeline,
    reach::reach,
    screen::Screen,
    service::{
        ServiceError,
        course::{announce, finish, function_ready, parts, upkeep},
    },
};

/// Runs until stopped by `stop`.
///
/// # Errors
/// What could not start, or why the listener ended.
pub(crate) async fn run(
    settings: Settings,
    screen: Arc<Screen>,
    handlers: Vec<Arc<dyn EventHandler>>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Result<(), ServiceError> {
    let display = Arc::new(Display::new(screen, None));
    let upkeep = tokio::spawn(upkeep(metrics.clone(), stop.clone()));
    let result = serve(&settings, &display, handlers, &metrics, &stop).await;
    stop.cancel();
    // It ends when told to, and a panic of it is no fault of what was served.
    let _ = upkeep.await;
    result
}

async fn serve(
    settings: &Settings,
    display: &Arc<Display>,
    handlers: Vec<Arc<dyn EventHandler>>,
    metrics: &PrometheusHandle,
    stop: &CancellationToken,
) -> Result<(), ServiceError> {
    let start = Box::pin(start(settings, display, handlers, metrics));
    let Some(pipeline) = stop.run_until_cancelled(start).await else {
        // Nothing was received, and nothing sent.
        display.say("stopped before the start was done");
        return Ok(());
    };
    let mut pipeline = pipeline?;
    display.say(&format!("chain     {}", settings.rpc.url));
    announce(display, &pipeline);
    let listening = pipeline.listener_status();
    let failed = tokio::select! {
        () = stop.cancelled() => None,
        never = say_when_listening(listening, display) => never,
        ended = pipeline.ended() => Some(ended),
    };
    finish(pipeline, display).await;
    match failed {
        Some(Err(error)) => Err(ServiceError::Listener(error)),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Finds out whether all is there that the settings name, and starts.
async fn start(
    settings: &Settings,
    display: &Arc<Display>,
    handlers: Vec<Arc<dyn EventHandler>>,
    metrics: &PrometheusHandle,
) -> Result<Pipeline, ServiceError> {
    let pool = rpc_pool(settings).map_err(SetupError::from)?;
    let signers = signers(settings).await?;
    reach(settings, |reason| display.say(&format!("chain     {reason}"))).await?;
    function_ready(settings, display).await;
    let chain = settings.rpc.url.to_string();
    let parts = parts(chain, pool, signers, display, handlers, metrics);
    Ok(Pipeline::start(settings, parts).await?)
}

/// Says once that the chain is heard; the run goes on.
async fn say_when_listening<T>(mut status: watch::Receiver<ListenerStatus>, display: &Display) -> T {
    if let Ok(status) = status
        .wait_for(|status| status.connected && status.watermark_slot.is_some())
        .await
    {
        display.say(&format!(
            "listening from slot {}",
            status.watermark_slot.unwrap_or_default()
        ));
    }
    std::future::pending().await
}
