//! The always-on listener: from the configured RPC to an SQS queue, with its own `/health`, `/stats` and `/metrics`.

mod arguments;
mod probe;
mod program;
mod service;
mod status_line;

use anyhow::Result;
use clap::Parser;
use session_admin::with_signals;
use session_config::{LogFormat, Overrides, Settings};

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
    match arguments.command {
        Some(Command::Health) => return probe::probe(&settings, "/health").await,
        Some(Command::Live) => return probe::probe(&settings, "/live").await,
        None => {}
    }
    let format = match settings.monitoring.log_format {
        LogFormat::Text => session_telemetry::LogFormat::Text,
        LogFormat::Json => session_telemetry::LogFormat::Json,
    };
    session_telemetry::withhold(settings.secrets());
    session_telemetry::init_logs(&settings.monitoring.log_level, format)?;
    Box::pin(with_signals(|stop| service::run(&settings, stop))).await?
}
