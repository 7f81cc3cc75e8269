//! The listener's command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Listens to `session_factory` and puts every session account that it asks for into an SQS queue.
#[derive(Debug, Parser)]
#[command(name = "listener", version)]
pub(crate) struct Arguments {
    /// What to do instead of listening.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Configuration file; the environment (`SESSION_BUILDER__SECTION__KEY`) overrides it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A newer IDL of `session_factory`.
    #[arg(long, value_name = "FILE")]
    pub(crate) idl: Option<PathBuf>,
    /// Serve /metrics, whatever the configuration says.
    #[arg(long)]
    pub(crate) enable_metrics: bool,
    /// Port of /health, /stats and /metrics.
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// Least severe log level that is written: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

/// What can be done beside listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Ask the listener that runs on this machine how it is; exit 0 only if it is healthy.
    Health,
    /// Ask it whether its tasks make progress, whatever its RPC and queue do; exit 0 only if they do.
    Live,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
