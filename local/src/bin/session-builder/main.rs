//! The local runner's binary.

mod catch_up;
mod cli;
mod dead_letters;
mod function_environment;
mod run;

use anyhow::Result;
use clap::Parser;
use session_admin::with_signals;
use session_config::{LogFormat, Overrides, Settings};
use session_listener::BackfillRequest;

use crate::{
    catch_up::{backfill, reconcile},
    cli::{Cli, Command, CommonArgs, RunArgs},
    dead_letters::dead_letters,
};

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        None => Box::pin(serve(cli.run)).await,
        Some(Command::Reconcile { dry_run, common }) => {
            let settings = settings_of(&common)?;
            with_signals(|stop| reconcile(settings, dry_run, stop)).await?
        }
        Some(Command::Backfill {
            from,
            to,
            dry_run,
            common,
        }) => {
            let settings = settings_of(&common)?;
            let request = BackfillRequest { from, to, dry_run };
            Box::pin(with_signals(|stop| backfill(settings, request, stop))).await?
        }
        Some(Command::DeadLetters { action, common }) => {
            let settings = settings_of(&common)?;
            dead_letters(&settings, &action).await
        }
    }
}

async fn serve(arguments: RunArgs) -> Result<()> {
    let mut settings = run::settings(&arguments)?;
    if arguments.common.config.is_none() && arguments.common.log_level.is_none() {
        // The lines of the embedded run say what happens; logs are for when something is wrong.
        "error".clone_into(&mut settings.monitoring.log_level);
    }
    init_logs(&settings)?;
    let metrics = session_telemetry::install_prometheus()?;
    Box::pin(with_signals(|stop| run::run(arguments, settings, metrics, stop))).await?
}

/// The settings of a command that does one thing and ends.
fn settings_of(common: &CommonArgs) -> Result<Settings> {
    let overrides = Overrides {
        log_level: common.log_level.clone(),
        ..Overrides::default()
    };
    let settings = Settings::load(common.config.as_deref(), &overrides)?;
    init_logs(&settings)?;
    Ok(settings)
}

fn init_logs(settings: &Settings) -> Result<()> {
    let format = match settings.monitoring.log_format {
        LogFormat::Text => session_telemetry::LogFormat::Text,
        LogFormat::Json => session_telemetry::LogFormat::Json,
    };
    Ok(session_telemetry::init_logs(&settings.monitoring.log_level, format)?)
}
