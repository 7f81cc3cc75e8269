//! Runs the service: on an embedded chain that makes its own traffic, or on the configured RPC.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use create_accounts::{RecordObserver, rpc_pool, rpc_pool_of, signers};
use session_chain::RpcPool;
use session_config::{Overrides, Settings};
use session_engine::SignerPool;
use session_events::factory::SESSION_FACTORY_ID;
use session_listener::ListenerStatus;
use session_telemetry::PrometheusHandle;
use solana_sdk::signature::{Keypair, Signer};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use session_builder::{
    display::{Display, Totals},
    embedded::EmbeddedChain,
    invoker::FunctionUrl,
    latencies::LatencySummary,
    pipeline::{Pipeline, PipelineParts},
    traffic::{Traffic, TrafficPlan},
};

use crate::{cli::RunArgs, function_environment};

/// With `--sessions`: how long nothing may be concluded before the run is given up.
const STANDSTILL_LIMIT: Duration = Duration::from_mins(1);

/// The settings that the flags and the configuration file make together.
///
/// # Errors
/// All that is wrong with them.
pub(crate) fn settings(args: &RunArgs) -> Result<Settings> {
    let overrides = Overrides {
        metrics_port: args.metrics_port,
        enable_metrics: args.enable_metrics,
        log_level: args.common.log_level.clone(),
        function_url: args.function_url.clone(),
    };
    Ok(Settings::load(args.common.config.as_deref(), &overrides)?)
}

/// Runs until stopped by `stop`, or until the sessions that were asked for are concluded.
///
/// # Errors
/// What could not start, or which sessions were not verified.
pub(crate) async fn run(
    args: RunArgs,
    settings: Settings,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Result<()> {
    let display = Arc::new(Display::new(args.sessions));
    let renderer = metrics.clone();
    let upkeep = tokio::spawn(upkeep(metrics, stop.clone()));
    let parts = |pool, signers| PipelineParts {
        pool,
        signers,
        observer: Arc::clone(&display) as Arc<dyn RecordObserver>,
        metrics: Some(Arc::new(move || renderer.render())),
        event_handlers: Vec::new(),
    };
    let result = match &args.common.config {
        Some(_) => {
            let parts = parts(rpc_pool(&settings)?, signers(&settings).await?);
            run_configured(&settings, parts, &display, &stop).await
        }
        None => run_embedded(&args, settings, parts, &display, &stop).await,
    };
    stop.cancel();
    upkeep.await.context("the metrics' upkeep")?;
    result
}

async fn run_configured(
    settings: &Settings,
    parts: PipelineParts,
    display: &Display,
    stop: &CancellationToken,
) -> Result<()> {
    if !function_ready(settings, display, stop).await {
        return Ok(());
    }
    let mut pipeline = Pipeline::start(settings, parts).await?;
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
        Some(Err(error)) => Err(error).context("the listener failed"),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Says once that the chain is heard; the run goes on.
async fn say_when_listening<T>(mut status: watch::Receiver<ListenerStatus>, display: &Display) -> T {
    if let Ok(status) = status
        .wait_for(|status| status.connected && status.cursor_slot.is_some())
        .await
    {
        display.say(&format!(
            "listening from slot {}",
            status.cursor_slot.unwrap_or_default()
        ));
    }
    std::future::pending().await
}

async fn run_embedded(
    args: &RunArgs,
    mut settings: Settings,
    parts: impl FnOnce(RpcPool, SignerPool) -> PipelineParts,
    display: &Display,
    stop: &CancellationToken,
) -> Result<()> {
    let (wallet, requester) = (Keypair::new(), Keypair::new());
    let wallet_address = wallet.pubkey();
    let chain = EmbeddedChain::start(vec![wallet_address, requester.pubkey()]).await?;
    let endpoint = chain.endpoint();
    // The chain begins anew every time, and so does what is remembered of it.
    let state = EphemeralState::create()?;
    state.0.clone_into(&mut settings.service.state_dir);
    settings.service.program_id = SESSION_FACTORY_ID;
    display.say(&format!(
        "chain     {} (embedded), WebSocket {}",
        endpoint.http, endpoint.ws
    ));
    display.say(&format!("wallet    {wallet_address}"));
    if let Some(file) = &args.function_env {
        function_environment::write(file, &settings, &endpoint, &wallet)?;
    }
    if !function_ready(&settings, display, stop).await {
        return Ok(());
    }
    let pool = rpc_pool_of(&settings, vec![endpoint.clone()])?;
    let mut pipeline = Pipeline::start(&settings, parts(pool, SignerPool::of_keypairs(vec![wallet])?)).await?;
    announce(display, &pipeline);
    let traffic = Traffic::new(endpoint.http, requester);
    traffic.initialize_factory().await?;
    // The service starts "now": what is requested before it listens would be before its time.
    timeout(STANDSTILL_LIMIT, pipeline.listening())
        .await
        .context("the listener does not hear the embedded chain")?;
    let plan = TrafficPlan {
        sessions: args.sessions,
        rate_per_second: args.rate,
    };
    let stop_traffic = stop.child_token();
    let requesting = tokio::spawn(traffic.run(plan, stop_traffic.clone()));
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = pipeline.ended() => ended.context("the listener failed"),
        outcome = concluded(args.sessions, display.totals()) => outcome,
    };
    stop_traffic.cancel();
    let requested = joined(requesting).await?;
    finish(pipeline, display).await;
    chain.stop()?;
    outcome?;
    verdict(args.sessions, requested, display)
}

/// Waits for a function in another process: one that is still being built would cost every message its attempts. Says
/// whether it came before the service was stopped.
async fn function_ready(settings: &Settings, display: &Display, stop: &CancellationToken) -> bool {
    let Some(url) = &settings.service.function_url else {
        return true;
    };
    display.say(&format!("function  {url}: waiting for it"));
    let ready = stop.run_until_cancelled(FunctionUrl::new(url.clone()).ready()).await;
    if ready.is_some() {
        display.say("function  ready");
    }
    ready.is_some()
}

/// Exit 0 is a promise: every session that was asked for is verified, and none twice.
fn verdict(sessions: Option<u64>, requested: u64, display: &Display) -> Result<()> {
    let Some(sessions) = sessions else { return Ok(()) };
    let verified = display.accounts_verified() as u64;
    if requested != sessions || verified != sessions {
        bail!("{verified} of {sessions} sessions verified, {requested} requested");
    }
    Ok(())
}

/// Waits until so many messages are concluded; for ever without a number.
async fn concluded(sessions: Option<u64>, mut totals: watch::Receiver<Totals>) -> Result<()> {
    let Some(sessions) = sessions else {
        return std::future::pending().await;
    };
    while totals.borrow_and_update().concluded() < sessions {
        timeout(STANDSTILL_LIMIT, totals.changed())
            .await
            .with_context(|| format!("nothing was concluded for {} s", STANDSTILL_LIMIT.as_secs()))??;
    }
    Ok(())
}

fn announce(display: &Display, pipeline: &Pipeline) {
    let address = pipeline.address();
    display.say(&format!(
        "endpoints http://{address}/health  http://{address}/stats  http://{address}/metrics"
    ));
    display.say("Ctrl-C drains and stops; a second one stops at once");
}

async fn finish(pipeline: Pipeline, display: &Display) {
    display.finish();
    display.say("draining");
    let letters = pipeline
        .dead_letters()
        .depth()
        .await
        .map(|depth| depth.total())
        .unwrap_or_default();
    pipeline.drain().await;
    let totals = display.totals().borrow().clone();
    display.say(&format!(
        "summary   verified {}  created {}  existed {}  skipped {}  retried {}  dead letters {} ({} waiting)",
        display.accounts_verified(),
        totals.created,
        totals.existed,
        totals.skipped,
        totals.retried,
        totals.dead_lettered,
        letters,
    ));
    let LatencySummary { p50, p99, max } = display.latencies();
    let (p50, p99, max) = (p50.as_millis(), p99.as_millis(), max.as_millis());
    display.say(&format!("latency   p50 {p50} ms  p99 {p99} ms  slowest {max} ms"));
}

async fn joined(requesting: JoinHandle<u64>) -> Result<u64> {
    requesting.await.context("the traffic stopped unexpectedly")
}

/// The recorder needs to be told to forget old samples.
async fn upkeep(metrics: PrometheusHandle, stop: CancellationToken) {
    const EVERY: Duration = Duration::from_secs(5);
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        metrics.run_upkeep();
    }
}

/// A folder that goes with the process.
struct EphemeralState(PathBuf);

impl EphemeralState {
    fn create() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("session-builder-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for EphemeralState {
    fn drop(&mut self) {
        // What cannot be removed is in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
