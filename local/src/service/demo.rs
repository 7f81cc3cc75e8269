//! Runs the service on an embedded chain that makes its own traffic. Chain, queue, wallet and state are the demo's own.

use std::{path::Path, sync::Arc, time::Duration};

use create_accounts::SetupError;
use session_chain::rpc_pool_of;
use session_config::{QueueKind, Settings, configured_in_environment};
use session_engine::{SignerError, SignerPool};
use session_events::factory::SESSION_FACTORY_ID;
use session_listener::EventHandler;
use session_telemetry::PrometheusHandle;
use solana_sdk::signature::{Keypair, Signer};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    display::{Display, Totals},
    embedded::{EmbeddedChain, EmbeddedChainError},
    pipeline::Pipeline,
    screen::Screen,
    service::{
        DemoArgs, ServiceError,
        course::{announce, finish, function_ready, parts, upkeep},
        function_environment,
    },
    traffic::{Traffic, TrafficError, TrafficPlan},
};

/// With `--sessions`: how long nothing may be concluded before the run is given up, beside the time between two requests.
const STANDSTILL_LIMIT: Duration = Duration::from_mins(1);

/// Why a demonstration ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] EmbeddedChainError),
    /// The factory could not be initialised.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// Its wallet.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A file.
    #[error("cannot {action}: {source}")]
    File {
        /// What was to be done.
        action: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The listener does not hear the chain.
    #[error("the listener does not hear the embedded chain")]
    Deaf,
    /// Nothing goes on.
    #[error("nothing was concluded for {} s", .0.as_secs())]
    Standstill(Duration),
    /// Whoever requests sessions ended before its time.
    #[error("the traffic stopped unexpectedly")]
    TrafficEnded,
    /// Not every session has its account.
    #[error("{verified} of {asked} sessions verified, {requested} requested")]
    Unverified {
        /// Different accounts that were verified.
        verified: u64,
        /// Sessions that the run was to have.
        asked: u64,
        /// Sessions that were requested.
        requested: u64,
    },
}

/// Runs until stopped by `stop`, or until the sessions that were asked for are concluded.
///
/// # Errors
/// What could not start, or which sessions were not verified.
pub(crate) async fn run(
    args: DemoArgs,
    mut settings: Settings,
    screen: Arc<Screen>,
    handlers: Vec<Arc<dyn EventHandler>>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Result<(), ServiceError> {
    let display = Arc::new(Display::new(screen, args.sessions));
    // The chain begins anew every time, and so does what is remembered of it.
    let state = tempfile::Builder::new()
        .prefix("session-builder-")
        .tempdir()
        .map_err(|source| DemoError::File {
            action: String::from("make a folder for what the demo remembers"),
            source,
        })?;
    equip(&mut settings, &args, state.path());
    let upkeep = tokio::spawn(upkeep(metrics.clone(), stop.clone()));
    let result = serve(&args, &settings, &display, handlers, &metrics, &stop).await;
    stop.cancel();
    // It ends when told to, and a panic of it is no fault of what was served.
    let _ = upkeep.await;
    result
}

/// Makes the settings those of the demo: its own folder, its own program, a queue on this machine.
fn equip(settings: &mut Settings, args: &DemoArgs, state: &Path) {
    state.clone_into(&mut settings.service.state_dir);
    settings.service.program_id = SESSION_FACTORY_ID;
    // The wallet is play money, and as many sessions are to be served as are asked for.
    settings.policy.lamports_per_hour = None;
    // For every page of a listing the embedded chain goes over all of its transactions, and makes no block meanwhile: seconds
    // for some thousands of them. A node looks them up. What the stream lacks is listed at once all the same.
    settings.listener.listing_interval = settings.listener.listing_interval_complete;
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
    handlers: Vec<Arc<dyn EventHandler>>,
    metrics: &PrometheusHandle,
    stop: &CancellationToken,
) -> Result<(), ServiceError> {
    let (wallet, requester) = (Keypair::new(), Keypair::new());
    let wallet_address = wallet.pubkey();
    let chain = EmbeddedChain::start(vec![wallet_address, requester.pubkey()])
        .await
        .map_err(DemoError::from)?;
    let endpoint = chain.endpoint();
    display.say(&format!(
        "chain     {} (embedded), WebSocket {}",
        endpoint.http, endpoint.ws
    ));
    display.say(&format!("wallet    {wallet_address}"));
    display.say(&note());
    if let Some(file) = &args.function_env {
        function_environment::write(file, settings, &endpoint, &wallet).map_err(|source| DemoError::File {
            action: format!("write the function's environment to {}", file.display()),
            source,
        })?;
    }
    if stop
        .run_until_cancelled(function_ready(settings, display))
        .await
        .is_none()
    {
        return Ok(verdict(args.sessions, 0, display)?);
    }
    let pool = rpc_pool_of(settings, vec![endpoint.clone()]).map_err(SetupError::from)?;
    let parts = parts(
        endpoint.http.clone(),
        pool,
        SignerPool::of_keypairs(vec![wallet]).map_err(DemoError::from)?,
        display,
        handlers,
        metrics,
    );
    let mut pipeline = Pipeline::start(settings, parts).await?;
    announce(display, &pipeline);
    let traffic = Traffic::new(endpoint.http, requester);
    traffic.initialize_factory().await.map_err(DemoError::from)?;
    // The service starts "now": what is requested before it listens would be before its time.
    timeout(STANDSTILL_LIMIT, pipeline.listening())
        .await
        .map_err(|_| DemoError::Deaf)?;
    let plan = TrafficPlan {
        sessions: args.sessions,
        rate_per_second: args.rate_per_second(),
    };
    let stop_traffic = stop.child_token();
    let requesting = tokio::spawn(traffic.run(plan, stop_traffic.clone()));
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = pipeline.ended() => ended.map_err(ServiceError::Listener),
        outcome = concluded(plan, display.totals()) => outcome.map_err(ServiceError::from),
    };
    stop_traffic.cancel();
    let requested = requesting.await.map_err(|_| DemoError::TrafficEnded)?;
    finish(pipeline, display).await;
    chain.stop().map_err(DemoError::from)?;
    outcome?;
    Ok(verdict(args.sessions, requested, display)?)
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
fn verdict(sessions: Option<u64>, requested: u64, display: &Display) -> Result<(), DemoError> {
    let Some(sessions) = sessions else { return Ok(()) };
    let verified = display.accounts_verified();
    if requested != sessions || verified != sessions {
        return Err(DemoError::Unverified {
            verified,
            asked: sessions,
            requested,
        });
    }
    Ok(())
}

/// Waits until so many messages are concluded; for ever without a number.
async fn concluded(plan: TrafficPlan, mut totals: watch::Receiver<Totals>) -> Result<(), DemoError> {
    let Some(sessions) = plan.sessions else {
        return std::future::pending().await;
    };
    let patience = STANDSTILL_LIMIT + Duration::from_secs_f64(1.0 / plan.rate_per_second);
    while totals.borrow_and_update().concluded() < sessions {
        match timeout(patience, totals.changed()).await {
            Ok(Ok(())) => {}
            // The display lives as long as the run.
            Ok(Err(_)) => break,
            Err(_) => return Err(DemoError::Standstill(patience)),
        }
    }
    Ok(())
}
