//! Logs on standard error: lines for a person, or JSON for a machine.

use std::io;

use tracing_subscriber::{
    EnvFilter,
    util::{SubscriberInitExt, TryInitError},
};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is no filter.
    #[error("log level {level:?} is none: {source}; use error, warn, info, debug, trace or a tracing filter")]
    BadLevel {
        /// What was given.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody has set up logs already.
    #[error("logs are set up already: {0}")]
    AlreadySet(#[from] TryInitError),
}

/// Sends what is logged at `level` or above to standard error. `level` may be a whole filter, such as
/// `info,session_engine=debug`.
///
/// # Errors
/// [`LogError`].
pub fn init_logs(level: &str, format: LogFormat) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(level).map_err(|source| LogError::BadLevel {
        level: level.to_owned(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .finish()
            .try_init()?,
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .try_init()?,
    }
    Ok(())
}
