//! Runs the service on an embedded chain that makes its own traffic. Chain, queue, wallet and state are the demo's own.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use create_accounts::rpc_pool_of;
use session_config::{QueueKind, Settings, configured_in_environment};
use session_engine::SignerPool;
use session_events::factory::SESSION_FACTORY_ID;
use session_telemetry::PrometheusHandle;
use solana_sdk::signature::{Keypair, Signer};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use session_builder::{
    display::{Display, Totals},
    embedded::EmbeddedChain,
    pipeline::Pipeline,
    screen::Screen,
    traffic::{Traffic, TrafficPlan},
};

use crate::{
    cli::DemoArgs,
    function_environment,
    service::{announce, finish, function_ready, parts, upkeep},
};

/// With `--sessions`: how long nothing may be concluded before the run is given up, beside the time between two requests.
const STANDSTILL_LIMIT: Duration = Duration::from_mins(1);

/// Runs until stopped by `stop`, or until the sessions that were asked for are concluded.
///
/// # Errors
/// What could not start, or which sessions were not verified.
pub(crate) async fn run(
    args: DemoArgs,
    mut settings: Settings,
    screen: Arc<Screen>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Result<()> {
    let display = Arc::new(Display::new(screen, args.sessions));
    // The chain begins anew every time, and so does what is remembered of it.
    let state = tempfile::Builder::new()
        .prefix("session-builder-")
        .tempdir()
        .context("cannot make a folder for what the demo remembers")?;
    equip(&mut settings, &args, state.path());
    let upkeep = tokio::spawn(upkeep(metrics.clone(), stop.clone()));
    let result = serve(&args, &settings, &display, &metrics, &stop).await;
    stop.cancel();
    upkeep.await.context("the metrics' upkeep")?;
    result
}

/// Makes the settings those of the demo: its own folder, its own program, a queue on this machine.
fn equip(settings: &mut Settings, args: &DemoArgs, state: &Path) {
    state.clone_into(&mut settings.service.state_dir);
    settings.service.program_id = SESSION_FACTORY_ID;
    // The wallet is play money, and as many sessions are to be served as are asked for.
    settings.policy.lamports_per_hour = None;
    if let (Some(queue), Some(dead_letters)) = (&args.sqs_queue, &args.sqs_dead_letter_queue) {
        settings.queue.kind = QueueKind::Sqs;
        settings.queue.url = Some(queue.to_string());
        settings.queue.dead_letter_url = Some(dead_letters.to_string());
        settings.queue.endpoint_url = Some(queue.origin().ascii_serialization());
    }
}

async fn serve(
    args: &DemoArgs,
    settings: &Settings,
    display: &Arc<Display>,
    metrics: &PrometheusHandle,
    stop: &CancellationToken,
) -> Result<()> {
    let (wallet, requester) = (Keypair::new(), Keypair::new());
    let wallet_address = wallet.pubkey();
    let chain = EmbeddedChain::start(vec![wallet_address, requester.pubkey()]).await?;
    let endpoint = chain.endpoint();
    display.say(&format!(
        "chain     {} (embedded), WebSocket {}",
        endpoint.http, endpoint.ws
    ));
    display.say(&format!("wallet    {wallet_address}"));
    display.say(&note());
    if let Some(file) = &args.function_env {
        function_environment::write(file, settings, &endpoint, &wallet)?;
    }
    if !function_ready(settings, display, stop).await {
        return Ok(());
    }
    let pool = rpc_pool_of(settings, vec![endpoint.clone()])?;
    let parts = parts(
        endpoint.http.clone(),
        pool,
        SignerPool::of_keypairs(vec![wallet])?,
        display,
        metrics,
    );
    let mut pipeline = Pipeline::start(settings, parts).await?;
    announce(display, &pipeline);
    let traffic = Traffic::new(endpoint.http, requester);
    traffic.initialize_factory().await?;
    // The service starts "now": what is requested before it listens would be before its time.
    timeout(STANDSTILL_LIMIT, pipeline.listening())
        .await
        .context("the listener does not hear the embedded chain")?;
    let plan = TrafficPlan {
        sessions: args.sessions,
        rate_per_second: args.rate_per_second(),
    };
    let stop_traffic = stop.child_token();
    let requesting = tokio::spawn(traffic.run(plan, stop_traffic.clone()));
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = pipeline.ended() => ended.context("the listener failed"),
        outcome = concluded(plan, display.totals()) => outcome,
    };
    stop_traffic.cancel();
    let requested = joined(requesting).await?;
    finish(pipeline, display).await;
    chain.stop()?;
    outcome?;
    verdict(args.sessions, requested, display)
}

/// That this is the demo, and what it leaves alone.
fn note() -> String {
    let ignored = configured_in_environment();
    if ignored.is_empty() {
        return String::from(
            "demo      nothing is configured by --config or the environment; it has all that it needs",
        );
    }
    format!(
        "demo      has a chain, a queue and a wallet of its own, and does not use {}",
        ignored.join(", ")
    )
}

/// Exit 0 is a promise: every session that was asked for is verified, and none twice.
fn verdict(sessions: Option<u64>, requested: u64, display: &Display) -> Result<()> {
    let Some(sessions) = sessions else { return Ok(()) };
    let verified = display.accounts_verified();
    if requested != sessions || verified != sessions {
        bail!("{verified} of {sessions} sessions verified, {requested} requested");
    }
    Ok(())
}

/// Waits until so many messages are concluded; for ever without a number.
async fn concluded(plan: TrafficPlan, mut totals: watch::Receiver<Totals>) -> Result<()> {
    let Some(sessions) = plan.sessions else {
        return std::future::pending().await;
    };
    let patience = STANDSTILL_LIMIT + Duration::from_secs_f64(1.0 / plan.rate_per_second);
    while totals.borrow_and_update().concluded() < sessions {
        timeout(patience, totals.changed())
            .await
            .with_context(|| format!("nothing was concluded for {} s", patience.as_secs()))??;
    }
    Ok(())
}

async fn joined(requesting: JoinHandle<u64>) -> Result<u64> {
    requesting.await.context("the traffic stopped unexpectedly")
}
