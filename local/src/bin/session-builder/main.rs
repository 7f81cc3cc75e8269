//! The local runner's binary.

mod catch_up;
mod cli;
mod consent;
mod dead_letters;
mod doctor;
mod exit;
mod inspect;
mod look;
mod quarantine;
mod watermark;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use session_admin::with_signals;
use session_builder::{
    screen::Screen,
    service::{Arguments, CommonArgs, Service, init_logs},
};
use session_config::{Overrides, Settings};
use session_listener::{BackfillRequest, ReconcileRequest};
use session_telemetry::{Escaped, in_full};

use crate::{
    catch_up::{backfill, reconcile},
    cli::{Cli, Command, ConfigAction},
    dead_letters::dead_letters,
    exit::Ending,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    session_builder::service::keep_direct();
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
    let _ = writeln!(std::io::stderr(), "error: {}", Escaped(in_full(error.as_ref())));
    exit::code(error)
}

async fn carry_out(cli: Cli, screen: &Arc<Screen>) -> Result<Ending> {
    let Cli {
        command,
        common,
        service,
        #[cfg(feature = "demo")]
        demo,
    } = cli;
    let service = match command {
        None => Service::new(Arguments {
            common,
            service,
            #[cfg(feature = "demo")]
            demo,
        }),
        Some(Command::Run { service }) => Service::configured(common, service),
        #[cfg(feature = "demo")]
        Some(Command::Demo { service, demo }) => Service::demo(common, service, demo),
        Some(command) => return Box::pin(one_errand(command, &common, screen)).await,
    };
    Box::pin(service.run_on(screen)).await?;
    Ok(Ending::Done)
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
        Command::Reconcile { dry_run, full } => {
            let request = ReconcileRequest { dry_run, full };
            Box::pin(with_signals(|stop| {
                reconcile(settings, Arc::clone(screen), request, stop)
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
        Command::Quarantine { action } => quarantine::quarantine(&settings, screen, action).await,
        Command::Watermark { action } => {
            Box::pin(with_signals(|stop| {
                watermark::watermark(&settings, screen, action, stop)
            }))
            .await?
        }
        Command::Status { watch, json } => {
            with_signals(|stop| look::status(&settings, screen, watch, json, stop)).await?
        }
        Command::Inspect { what, json } => inspect::inspect(&settings, screen, &what, json).await,
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
