//! The always-on listener: from the configured RPC to an SQS queue, with its own `/health`, `/stats` and `/metrics`.

mod arguments;
mod probe;
mod service;
mod status_line;

use anyhow::Result;
use clap::Parser;
use session_config::{LogFormat, Overrides, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let overrides = Overrides {
        metrics_port: arguments.metrics_port,
        enable_metrics: arguments.enable_metrics,
        log_level: arguments.log_level,
        ..Overrides::default()
    };
    let mut settings = Settings::load(arguments.config.as_deref(), &overrides)?;
    if let Some(idl) = arguments.idl {
        settings.listener.idl_path = Some(idl);
    }
    if let Some(Command::Health) = arguments.command {
        return probe::probe(&settings).await;
    }
    let format = match settings.monitoring.log_format {
        LogFormat::Text => session_telemetry::LogFormat::Text,
        LogFormat::Json => session_telemetry::LogFormat::Json,
    };
    session_telemetry::init_logs(&settings.monitoring.log_level, format)?;
    let stop = CancellationToken::new();
    let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let signals = tokio::spawn(stop_on_signal(terminate?, interrupt?, stop.clone()));
    let ended = service::run(&settings, stop).await;
    signals.abort();
    ended
}

/// The first signal drains, the second stops at once.
async fn stop_on_signal(mut terminate: Signal, mut interrupt: Signal, stop: CancellationToken) {
    const AT_ONCE: i32 = 130;
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.is_cancelled() {
            std::process::exit(AT_ONCE);
        }
        stop.cancel();
    }
}
