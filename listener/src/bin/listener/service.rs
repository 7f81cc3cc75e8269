//! The listener's process: the listener, its checks and its pages.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use metrics::counter;
use session_admin::{Check, HealthRegistry, Pages, Stats, patience, run_checks, serve};
use session_chain::{Credits, RpcPool, rpc_pool};
use session_config::Settings;
use session_listener::{
    EventStream, Lasting, Listener, ListenerConfig, ListenerError, Pulse, QuarantineDepth, QueueCheck, RpcSlot,
    Sparing, WalletBalance, WatchedQueue, sqs_queue,
};
use session_queue::Queue;
use session_telemetry::{PrometheusHandle, cloudwatch::CloudWatch, names};
use solana_pubkey::Pubkey;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{program, status_line};

/// A shutdown has 10 s in all. So long the listener has, and the pages have the rest.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(8_500);
/// So long the queue has, and the watermark has the rest of the listener's time.
const DRAIN_LIMIT: Duration = Duration::from_secs(7);
/// Often enough for any scraper.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until `stop`, and drains.
///
/// # Errors
/// What could not start, or why the listener ended.
pub(crate) async fn run(settings: &Settings, stop: CancellationToken) -> Result<()> {
    let (prometheus, cloudwatch) = recorders(settings)?;
    let pool = rpc_pool(settings)?;
    let config = ListenerConfig {
        drain_limit: DRAIN_LIMIT,
        ..ListenerConfig::from_settings(settings)?
    };
    let pulse = Arc::<Pulse>::default();
    let queue: Arc<dyn Queue> = Arc::new(sqs_queue(settings).await?);
    let queue = Arc::new(WatchedQueue::new(queue, Arc::clone(&pulse), None));
    let listener = Listener::new(
        config,
        pool.clone(),
        Arc::clone(&queue) as Arc<dyn Queue>,
        Lasting::from_settings(settings).await?,
        Vec::new(),
    )?;
    let socket = session_admin::bind(settings.monitoring.bind_address, settings.monitoring.metrics_port).await?;

    let (watchers, stop_watching) = (TaskTracker::new(), CancellationToken::new());
    let (health, stats) = (HealthRegistry::default(), Arc::new(Stats::default()));
    health.watch(listener.pulses());
    let interval = settings.monitoring.health_check_interval;
    watchers.spawn(status_line::log(listener.status(), stop_watching.clone()));
    if let Some(cloudwatch) = cloudwatch {
        watchers.spawn(status_line::tell(cloudwatch, stop_watching.clone()));
    }
    let checks = checks(settings, &pool, &listener, queue, pulse);
    watchers.spawn(run_checks(health.clone(), interval, checks, stop_watching.clone()));
    watchers.spawn(upkeep(
        prometheus.clone(),
        Arc::clone(&stats),
        pool.credits().clone(),
        stop_watching.clone(),
    ));
    let metrics = settings
        .monitoring
        .enable_prometheus
        .then(|| Arc::new(move || prometheus.render()) as _);
    watchers.spawn(serve(
        socket,
        Pages {
            health,
            stats: Arc::clone(&stats),
            metrics,
            api: None,
        },
        stop_watching.clone(),
    ));

    let listening = Box::pin(in_time(listener.run(stop.clone()), &stop));
    let ended = tokio::select! {
        ended = listening => ended.context("the listener failed"),
        missing = program::missing(&pool, settings.service.program_id) => Err(missing.into()),
    };
    stats.stopped();
    stop_watching.cancel();
    watchers.close();
    watchers.wait().await;
    ended
}

/// Where metrics go: to `/metrics`, and to CloudWatch where the deployment has a name.
fn recorders(settings: &Settings) -> Result<(PrometheusHandle, Option<CloudWatch>)> {
    let Some(stack) = settings.monitoring.cloudwatch_stack.clone() else {
        return Ok((session_telemetry::install_prometheus()?, None));
    };
    let cloudwatch = CloudWatch::new(stack);
    let prometheus = session_telemetry::install_with_cloudwatch(cloudwatch.clone())?;
    Ok((prometheus, Some(cloudwatch)))
}

/// What `/health` asks.
fn checks(
    settings: &Settings,
    pool: &RpcPool,
    listener: &Listener,
    queue: Arc<WatchedQueue>,
    pulse: Arc<Pulse>,
) -> Vec<Arc<dyn Check>> {
    let interval = settings.monitoring.health_check_interval;
    let mut checks: Vec<Arc<dyn Check>> = vec![
        Arc::new(Sparing::new(RpcSlot::new(pool.clone()), listener.status())),
        Arc::new(EventStream::new(
            listener.status(),
            Arc::clone(&pulse),
            patience(interval),
            settings.listener.listing_interval,
        )),
        Arc::new(QueueCheck::new(queue, pulse, interval)),
        Arc::new(QuarantineDepth(listener.status())),
    ];
    let addresses = watched_wallets(settings);
    if addresses.is_empty() {
        tracing::info!("no wallet is watched here; name its address in monitoring.wallet_addresses to have it checked");
    } else {
        let balance = WalletBalance {
            pool: pool.clone(),
            addresses,
            low_lamports: settings.policy.wallet_low_lamports,
            reserve_lamports: settings.policy.wallet_reserve_lamports,
        };
        checks.push(Arc::new(Sparing::new(balance, listener.status())));
    }
    checks
}

/// The wallets that pay, as far as their addresses are known without their keys, which a listener has no use for.
fn watched_wallets(settings: &Settings) -> Vec<Pubkey> {
    let in_kms = settings.signer.kms_public_key.iter();
    let mut wallets: Vec<Pubkey> = in_kms.filter_map(|address| address.parse().ok()).collect();
    wallets.extend(&settings.monitoring.wallet_addresses);
    wallets.sort_unstable();
    wallets.dedup();
    wallets
}

/// Runs the listener to its end. A store of watermarks that is silent would take minutes of its shutdown: what is not
/// saved when the time is over is repeated by the next start, and the listener's tasks end with the process.
async fn in_time(
    running: impl Future<Output = Result<(), ListenerError>>,
    stop: &CancellationToken,
) -> Result<(), ListenerError> {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_LIMIT).await;
    };
    tokio::select! {
        ended = running => ended,
        () = overdue => {
            tracing::warn!(limit = ?SHUTDOWN_LIMIT, "the watermark was not saved in time; a restart repeats events");
            Ok(())
        }
    }
}

/// Keeps what is counted by nobody else.
async fn upkeep(prometheus: PrometheusHandle, stats: Arc<Stats>, credits: Credits, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(UPKEEP_INTERVAL))
        .await
        .is_some()
    {
        counter!(names::SERVICE_UPTIME_SECONDS).absolute(stats.uptime().as_secs());
        stats.spent(credits.total(), credits.per_hour());
        prometheus.run_upkeep();
    }
}
