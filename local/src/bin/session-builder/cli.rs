//! The command line of the local runner.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use session_listener::Point;

/// Creates and verifies the accounts that `session_factory` asks for: chain, queue and handler in one process.
#[derive(Debug, Parser)]
#[command(name = "session-builder", version)]
pub(crate) struct Cli {
    /// What to do instead of running the service.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// How to run the service.
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Options of the service.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Settings and logs.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Serve /metrics, whatever the configuration says.
    #[arg(long)]
    pub(crate) enable_metrics: bool,
    /// Port of /health, /stats and /metrics.
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// Embedded chain: request this many sessions, then stop; exit 0 only if every one was verified.
    #[arg(long, value_name = "N", conflicts_with = "config")]
    pub(crate) sessions: Option<u64>,
    /// Embedded chain: session requests a second.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 2.0, value_parser = rate, conflicts_with = "config")]
    pub(crate) rate: f64,
    /// Invoke the function at this URL (such as one that `cargo lambda watch` serves) instead of in this process.
    #[arg(long, value_name = "URL")]
    pub(crate) function_url: Option<String>,
    /// Embedded chain: write here what the function's environment must hold, for `cargo lambda watch --env-file`.
    #[arg(long, value_name = "FILE", requires = "function_url", conflicts_with = "config")]
    pub(crate) function_env: Option<PathBuf>,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct CommonArgs {
    /// Configuration file; without one the service runs on an embedded chain of its own.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Least severe log level that is written: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(crate) log_level: Option<String>,
}

/// What can be done beside running the service.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Find sessions that were requested and have no account, by the factory's own accounts, and serve them.
    Reconcile {
        /// Only look.
        #[arg(long)]
        dry_run: bool,
        /// Settings and logs.
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Go over a stretch of the program's history again and serve what it asked for.
    Backfill {
        /// The first slot, or a transaction of it.
        #[arg(long, value_name = "SLOT|SIGNATURE", value_parser = point)]
        from: Point,
        /// The last slot, or a transaction of it; the newest if absent.
        #[arg(long, value_name = "SLOT|SIGNATURE", value_parser = point)]
        to: Option<Point>,
        /// Only look.
        #[arg(long)]
        dry_run: bool,
        /// Settings and logs.
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Look at the messages that were given up, and have them tried again.
    DeadLetters {
        /// What to do.
        #[command(subcommand)]
        action: DeadLettersAction,
        /// Settings and logs.
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// What can be done with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DeadLettersAction {
    /// Print each with its reason.
    List,
    /// Send them back to the queue, with their attempts counted anew.
    Redrive {
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
}

fn point(text: &str) -> Result<Point, String> {
    match (text.parse(), text.parse()) {
        (Ok(slot), _) => Ok(Point::Slot(slot)),
        (_, Ok(signature)) => Ok(Point::Signature(signature)),
        _ => Err(format!("{text:?} is neither a slot nor a signature")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= 1_000.0 => Ok(rate),
        _ => Err(format!("{text:?} is not a number over 0 and up to 1000")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!(rate("2.5"), Ok(2.5));
        for bad in ["0", "-1", "NaN", "inf", "1e9", "fast"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
