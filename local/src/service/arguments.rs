//! The options of a service's command line, whoever's `main` it is.

use std::path::PathBuf;

use clap::{Args, Parser};
#[cfg(feature = "demo")]
use url::{Host, Url};

use crate::screen::Colour;

/// Creates and verifies the accounts that `session_factory` asks for: chain, queue and handler in one process.
///
/// Runs what is configured by --config or by the environment, and where nothing is, the demo.
#[derive(Debug, Clone, Parser)]
pub struct Arguments {
    /// Settings and output.
    #[command(flatten)]
    pub common: CommonArgs,
    /// How to run the service.
    #[command(flatten)]
    pub service: ServiceArgs,
    /// What to demonstrate.
    #[cfg(feature = "demo")]
    #[command(flatten)]
    pub demo: DemoArgs,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// Configuration file; variables of the environment (`SESSION_BUILDER__SECTION__KEY`) override it.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Least severe log level that is written: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,
    /// Colour the output.
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t)]
    pub color: Colour,
}

/// Options of a running service.
#[derive(Debug, Clone, Args)]
pub struct ServiceArgs {
    /// Serve /metrics, whatever the configuration says.
    #[arg(long)]
    pub enable_metrics: bool,
    /// Port of /health, /stats and /metrics; 0: any free one.
    #[arg(long, value_name = "PORT")]
    pub metrics_port: Option<u16>,
    /// Invoke the function at this URL (such as one that `cargo lambda watch` serves) instead of in this process.
    #[arg(long, value_name = "URL")]
    pub function_url: Option<String>,
}

/// Options of the demo.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Demo: request this many sessions, then stop; exit 0 only if every one was verified.
    #[arg(long, value_name = "N", conflicts_with = "config")]
    pub sessions: Option<u64>,
    /// Demo: session requests a second [default: 2].
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, conflicts_with = "config")]
    pub rate: Option<f64>,
    /// Demo: write here what the function's environment must hold, for `cargo lambda watch --env-file`.
    #[arg(long, value_name = "FILE", requires = "function_url", conflicts_with = "config")]
    pub function_env: Option<PathBuf>,
    /// Demo: an SQS queue of a server on this machine, instead of one in memory.
    #[arg(long, value_name = "URL", value_parser = on_this_machine, requires = "sqs_dead_letter_queue", conflicts_with = "config")]
    pub sqs_queue: Option<Url>,
    /// Demo: its dead-letter queue.
    #[arg(long, value_name = "URL", value_parser = on_this_machine, requires = "sqs_queue")]
    pub sqs_dead_letter_queue: Option<Url>,
}

#[cfg(feature = "demo")]
impl DemoArgs {
    /// Session requests a second, where none are asked for: gentle enough to watch.
    const RATE_DEFAULT: f64 = 2.0;

    /// Session requests a second.
    #[must_use]
    pub fn rate_per_second(&self) -> f64 {
        self.rate.unwrap_or(Self::RATE_DEFAULT)
    }

    /// Whether any of these was given: then the demo is meant.
    #[must_use]
    pub fn is_any_given(&self) -> bool {
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
    fn the_options_are_consistent() {
        Arguments::command().debug_assert();
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
