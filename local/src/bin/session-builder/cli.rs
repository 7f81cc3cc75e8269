//! The command line of the local runner.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use session_builder::screen::Colour;
use session_listener::Point;
#[cfg(feature = "demo")]
use url::{Host, Url};

const EXIT_CODES: &str = "\
Exit codes:
  0  all that was asked for is so
  1  an error, or something bad was found
  2  the command line or the configuration is wrong
  3  partly done, or interrupted
  4  no running service could be asked";

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

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct CommonArgs {
    /// Configuration file; variables of the environment (`SESSION_BUILDER__SECTION__KEY`) override it.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Least severe log level that is written: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(crate) log_level: Option<String>,
    /// Colour the output.
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t)]
    pub(crate) color: Colour,
}

/// Options of a running service.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceArgs {
    /// Serve /metrics, whatever the configuration says.
    #[arg(long)]
    pub(crate) enable_metrics: bool,
    /// Port of /health, /stats and /metrics; 0: any free one.
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// Invoke the function at this URL (such as one that `cargo lambda watch` serves) instead of in this process.
    #[arg(long, value_name = "URL")]
    pub(crate) function_url: Option<String>,
}

/// Options of the demo.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Demo: request this many sessions, then stop; exit 0 only if every one was verified.
    #[arg(long, value_name = "N", conflicts_with = "config")]
    pub(crate) sessions: Option<u64>,
    /// Demo: session requests a second [default: 2].
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, conflicts_with = "config")]
    pub(crate) rate: Option<f64>,
    /// Demo: write here what the function's environment must hold, for `cargo lambda watch --env-file`.
    #[arg(long, value_name = "FILE", requires = "function_url", conflicts_with = "config")]
    pub(crate) function_env: Option<PathBuf>,
    /// Demo: an SQS queue of a server on this machine, instead of one in memory.
    #[arg(long, value_name = "URL", value_parser = on_this_machine, requires = "sqs_dead_letter_queue", conflicts_with = "config")]
    pub(crate) sqs_queue: Option<Url>,
    /// Demo: its dead-letter queue.
    #[arg(long, value_name = "URL", value_parser = on_this_machine, requires = "sqs_queue")]
    pub(crate) sqs_dead_letter_queue: Option<Url>,
}

#[cfg(feature = "demo")]
impl DemoArgs {
    /// Session requests a second, where none are asked for: gentle enough to watch.
    const RATE_DEFAULT: f64 = 2.0;

    /// Session requests a second.
    pub(crate) fn rate_per_second(&self) -> f64 {
        self.rate.unwrap_or(Self::RATE_DEFAULT)
    }

    /// Whether any of these was given: then the demo is meant.
    pub(crate) fn is_any_given(&self) -> bool {
        let Self {
            sessions,
            rate,
            function_env,
            sqs_queue,
            sqs_dead_letter_queue: _,
        } = self;
        sessions.is_some() || rate.is_some() || function_env.is_some() || sqs_queue.is_some()
    }
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

fn point(text: &str) -> Result<Point, String> {
    match (text.parse(), text.parse()) {
        (Ok(slot), _) => Ok(Point::Slot(slot)),
        (_, Ok(signature)) => Ok(Point::Signature(signature)),
        _ => Err(format!("{text:?} is neither a slot nor a signature")),
    }
}

#[cfg(feature = "demo")]
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= 1_000.0 => Ok(rate),
        _ => Err(format!("{text:?} is not a number over 0 and up to 1000")),
    }
}

#[cfg(feature = "demo")]
/// Whoever demonstrates must not be able to empty a queue that others need.
fn on_this_machine(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if local {
        Ok(url)
    } else {
        Err(format!(
            "{text:?} is not on this machine, and the demo touches nothing else"
        ))
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

    #[cfg(feature = "demo")]
    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!(rate("2.5"), Ok(2.5));
        for bad in ["0", "-1", "NaN", "inf", "1e9", "fast"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[cfg(feature = "demo")]
    #[test]
    fn the_demo_uses_no_queue_of_elsewhere() {
        for good in [
            "http://127.0.0.1:5000/1/q",
            "http://localhost:9324/q",
            "http://[::1]:1/q",
        ] {
            assert!(on_this_machine(good).is_ok(), "{good}");
        }
        for bad in ["https://sqs.eu-central-1.amazonaws.com/1/q", "http://10.0.0.1/q", "q"] {
            assert!(on_this_machine(bad).is_err(), "{bad}");
        }
    }
}
