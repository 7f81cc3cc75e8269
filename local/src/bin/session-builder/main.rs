//! The local runner's binary.

mod catch_up;
mod cli;
mod dead_letters;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod exit;
#[cfg(feature = "demo")]
mod function_environment;
mod look;
mod loopback;
mod run;
mod service;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use session_admin::with_signals;
use session_builder::screen::Screen;
use session_config::{LogFormat, Overrides, Settings, configured_in_environment};
use session_listener::BackfillRequest;
use session_telemetry::Escaped;

use crate::{
    catch_up::{backfill, reconcile},
    cli::{Cli, Command, CommonArgs, ConfigAction, ServiceArgs},
    dead_letters::dead_letters,
    exit::Ending,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    loopback::keep_direct();
    let screen = match Screen::open(cli.common.color) {
        Ok(screen) => screen,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot print")),
    };
    let ended = tokio::runtime::Runtime::new()
        .context("cannot start")
        .and_then(|runtime| runtime.block_on(Box::pin(carry_out(cli, &screen))));
    screen.flush();
    ended.map_or_else(|error| failed(&error), ExitCode::from)
}

/// Says why on standard error, if anybody reads it.
fn failed(error: &anyhow::Error) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "error: {:#}", Escaped(format_args!("{error:#}")));
    exit::code(error)
}

#[cfg(not(feature = "demo"))]
const NOTHING_CONFIGURED: &str = "nothing is configured, and this build has no demo: give --config FILE, or set \
    SESSION_BUILDER__SECTION__KEY";

async fn carry_out(cli: Cli, screen: &Arc<Screen>) -> Result<Ending> {
    let Cli {
        command,
        common,
        service,
        #[cfg(feature = "demo")]
        demo,
    } = cli;
    match command {
        None if common.config.is_some() => run(&common, &service, screen).await,
        #[cfg(feature = "demo")]
        None if demo.is_any_given() => self::demo(&common, service, demo, screen).await,
        None if !configured_in_environment().is_empty() => run(&common, &service, screen).await,
        #[cfg(feature = "demo")]
        None => self::demo(&common, service, demo, screen).await,
        #[cfg(not(feature = "demo"))]
        None => Err(exit::Usage(String::from(NOTHING_CONFIGURED)).into()),
        Some(Command::Run { service }) => run(&common, &service, screen).await,
        #[cfg(feature = "demo")]
        Some(Command::Demo { service, demo }) => self::demo(&common, service, demo, screen).await,
        Some(command) => Box::pin(one_errand(command, &common, screen)).await,
    }
}

/// Carries out a command that does one thing and ends.
async fn one_errand(command: Command, common: &CommonArgs, screen: &Arc<Screen>) -> Result<Ending> {
    match command {
        Command::Completions { shell } => return Ok(completions(shell, screen)),
        Command::Config { action } => return config(&action, common, screen),
        _ => {}
    }
    let settings = settings_of(common, screen)?;
    match command {
        Command::Reconcile { dry_run } => {
            Box::pin(with_signals(|stop| {
                reconcile(settings, Arc::clone(screen), dry_run, stop)
            }))
            .await?
        }
        Command::Backfill { from, to, dry_run } => {
            let request = BackfillRequest { from, to, dry_run };
            Box::pin(with_signals(|stop| {
                backfill(settings, Arc::clone(screen), request, stop)
            }))
            .await?
        }
        Command::DeadLetters { action } => dead_letters(&settings, screen, action).await,
        Command::Status { watch, json } => {
            with_signals(|stop| look::status(&settings, screen, watch, json, stop)).await?
        }
        Command::Inspect { what, json } => look::inspect(&settings, screen, &what, json).await,
        Command::Wallet { json } => look::wallet(&settings, screen, json).await,
        Command::Doctor { json } => doctor::doctor(&settings, screen, json).await,
        // Carried out before.
        _ => Ok(Ending::Done),
    }
}

fn completions(shell: clap_complete::Shell, screen: &Screen) -> Ending {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "session-builder", &mut script);
    screen.print(String::from_utf8_lossy(&script).trim_end());
    Ending::Done
}

fn config(action: &ConfigAction, common: &CommonArgs, screen: &Screen) -> Result<Ending> {
    let overrides = Overrides {
        log_level: common.log_level.clone(),
        ..Overrides::default()
    };
    let file = common.config.as_deref();
    Settings::load(file, &overrides)?;
    match action {
        ConfigAction::Check => {
            screen.print("the configuration is sound; `session-builder doctor` looks at what it names");
            Ok(Ending::Done)
        }
        ConfigAction::Show { origin, json } => {
            look::show_config(&Settings::describe(file, &overrides)?, screen, *origin, *json)
        }
    }
}

async fn run(common: &CommonArgs, service: &ServiceArgs, screen: &Arc<Screen>) -> Result<Ending> {
    let settings = Settings::load(common.config.as_deref(), &overrides(common, service))?;
    init_logs(&settings, screen)?;
    let metrics = session_telemetry::install_prometheus()?;
    Box::pin(with_signals(|stop| {
        run::run(settings, Arc::clone(screen), metrics, stop)
    }))
    .await??;
    Ok(Ending::Done)
}

#[cfg(feature = "demo")]
async fn demo(
    common: &CommonArgs,
    service: ServiceArgs,
    arguments: cli::DemoArgs,
    screen: &Arc<Screen>,
) -> Result<Ending> {
    let mut overrides = overrides(common, &service);
    // The lines of the demo say what happens; logs are for when something is wrong.
    overrides.log_level_default = Some(String::from("error"));
    let settings = Settings::demo(&overrides)?;
    init_logs(&settings, screen)?;
    let metrics = session_telemetry::install_prometheus()?;
    Box::pin(with_signals(|stop| {
        demo::run(arguments, settings, Arc::clone(screen), metrics, stop)
    }))
    .await??;
    Ok(Ending::Done)
}

fn overrides(common: &CommonArgs, service: &ServiceArgs) -> Overrides {
    Overrides {
        metrics_port: service.metrics_port,
        enable_metrics: service.enable_metrics,
        log_level: common.log_level.clone(),
        function_url: service.function_url.clone(),
        ..Overrides::default()
    }
}

/// The settings of a command that does one thing and ends.
fn settings_of(common: &CommonArgs, screen: &Arc<Screen>) -> Result<Settings> {
    let overrides = Overrides {
        log_level: common.log_level.clone(),
        ..Overrides::default()
    };
    let settings = Settings::load(common.config.as_deref(), &overrides)?;
    init_logs(&settings, screen)?;
    Ok(settings)
}

fn init_logs(settings: &Settings, screen: &Arc<Screen>) -> Result<()> {
    session_telemetry::withhold(settings.rpc.secrets());
    let format = match settings.monitoring.log_format {
        LogFormat::Text => session_telemetry::LogFormat::Text,
        LogFormat::Json => session_telemetry::LogFormat::Json,
    };
    let coloured = console::colors_enabled_stderr();
    Ok(session_telemetry::init_logs_to(
        &settings.monitoring.log_level,
        format,
        coloured,
        screen.log_sink(),
    )?)
}
