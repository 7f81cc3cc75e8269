//! The local runner's binary.

use anyhow::Result;
use clap::Parser;
use session_builder::{cli::Cli, run};
use session_config::LogFormat;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut settings = run::settings(&cli.run)?;
    if cli.run.common.config.is_none() && cli.run.common.log_level.is_none() {
        // The lines of the embedded run say what happens; logs are for when something is wrong.
        "warn".clone_into(&mut settings.monitoring.log_level);
    }
    let format = match settings.monitoring.log_format {
        LogFormat::Text => session_telemetry::LogFormat::Text,
        LogFormat::Json => session_telemetry::LogFormat::Json,
    };
    session_telemetry::init_logs(&settings.monitoring.log_level, format)?;
    let metrics = session_telemetry::install_prometheus()?;
    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(stop.clone()));
    let result = run::run(cli.run, settings, metrics, stop).await;
    signals.abort();
    result
}

/// The first signal drains, the second stops at once.
async fn stop_on_signal(stop: CancellationToken) -> Result<()> {
    const AT_ONCE: i32 = 130;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for _ in 0..2 {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.is_cancelled() {
            std::process::exit(AT_ONCE);
        }
        stop.cancel();
    }
    Ok(())
}
