//! The command line of the local runner.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
#[cfg(feature = "demo")]
use session_builder::service::DemoArgs;
use session_builder::service::{CommonArgs, ServiceArgs};
use session_listener::Point;

use crate::{quarantine::QuarantineAction, watermark::WatermarkAction};

const EXIT_CODES: &str = "\
Exit codes:
  0  all that was asked for is so
  1  an error, or something bad was found
  2  the command line or the configuration is wrong
  3  partly done, or interrupted
  4  no running service, or no node of the cluster, could be asked";

/// Creates and verifies the accounts that `session_factory` asks for: chain, queue and handler in one process.
///
/// Without a command it runs what is configured by --config or by the environment, and where nothing is, the demo.
#[derive(Debug, Parser)]
#[command(name = "session-builder", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Settings and output.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// How to run the service.
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// What to demonstrate.
    #[cfg(feature = "demo")]
    #[command(flatten)]
    pub(crate) demo: DemoArgs,
}

/// What can be done.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Run the service as it is configured.
    Run {
        /// How.
        #[command(flatten)]
        service: ServiceArgs,
    },
    #[cfg(feature = "demo")]
    /// Run the service on an embedded chain that requests sessions of its own. Takes no chain, queue or wallet from
    /// any configuration.
    Demo {
        /// How.
        #[command(flatten)]
        service: ServiceArgs,
        /// What.
        #[command(flatten)]
        demo: DemoArgs,
    },
    /// Find sessions that were requested and have no account, by the factory's own accounts, and serve them.
    Reconcile {
        /// Only look.
        #[arg(long)]
        dry_run: bool,
        /// Ask for everything again, whatever earlier comparisons have found served.
        #[arg(long)]
        full: bool,
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
    },
    /// Say how the running service is; exit 0 only if it is healthy.
    Status {
        /// Say it again every other second.
        #[arg(long)]
        watch: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell the story of one session: what became of it, where it is, and what to do next.
    Inspect {
        /// A session's id, its address, a transaction's signature, or a dead letter's message id.
        #[arg(value_name = "SESSION|PDA|SIGNATURE")]
        what: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at everything that a service needs, and say of each fault what cures it.
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at the messages that were given up, have them tried again, or throw them away.
    DeadLetters {
        /// What to do.
        #[command(subcommand)]
        action: DeadLettersAction,
    },
    /// Look at what could not be read or sent, have it tried again, or release it.
    Quarantine {
        /// What to do.
        #[command(subcommand)]
        action: QuarantineAction,
    },
    /// Look how far everything is settled, or have the next start begin elsewhere.
    Watermark {
        /// What to do.
        #[command(subcommand)]
        action: WatermarkAction,
    },
    /// Say what the wallets have, and for how many sessions that is enough.
    Wallet {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at the configuration.
    Config {
        /// What to do.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Print what a shell needs to complete these commands.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What can be done with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigAction {
    /// Read it, and say all that is wrong with it.
    Check,
    /// Print every key with the value that is in force; secrets are withheld.
    Show {
        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Which dead letters are meant: those to which everything applies that is given.
#[derive(Debug, Clone, Args)]
pub(crate) struct LetterArgs {
    /// With this message id; may be given more than once.
    #[arg(long = "id", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// With this reason; `unknown` for those that the queue gave up by itself.
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
    /// For this session id or address.
    #[arg(long, value_name = "SESSION|PDA")]
    pub(crate) session: Option<String>,
    /// A dead letter for at least so long, such as 90s, 15m, 2h or 1d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<Duration>,
    /// At most so many, the oldest first.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// How something is changed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ChangeArgs {
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DeadLettersAction {
    /// Print each with its reason, and for each reason what mends it.
    List {
        /// Which.
        #[command(flatten)]
        letters: LetterArgs,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print one, whole.
    Show {
        /// Its message id.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send them back to the queue, with their attempts counted anew.
    Redrive {
        /// Which.
        #[command(flatten)]
        letters: LetterArgs,
        /// How.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Delete them for good.
    Purge {
        /// Which.
        #[command(flatten)]
        letters: LetterArgs,
        /// How.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

fn age(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len() - usize::from(text.ends_with(['s', 'm', 'h', 'd'])));
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => 86_400,
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text:?} is no age; write 90s, 15m, 2h or 1d"))?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

pub(crate) fn point(text: &str) -> Result<Point, String> {
    match (text.parse(), text.parse()) {
        (Ok(slot), _) => Ok(Point::Slot(slot)),
        (_, Ok(signature)) => Ok(Point::Signature(signature)),
        _ => Err(format!("{text:?} is neither a slot nor a signature")),
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
}
