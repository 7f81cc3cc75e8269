//! Logs on standard error: lines for a person, or JSON for a machine.

use std::{
    fmt::{self, Debug, Write},
    io,
};

use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::{
        FormatFields,
        format::{Writer, debug_fn},
    },
    util::{SubscriberInitExt, TryInitError},
};

use crate::escape::EscapingWriter;

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
            .fmt_fields(escaped_fields())
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

/// Fields as the default format writes them, with everything escaped that would leave its line: values come from strangers.
fn escaped_fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer: &mut Writer<'_>, field, value: &dyn Debug| write_field(writer, field.name(), value))
        .delimited(" ")
}

fn write_field(writer: impl Write, name: &str, value: &dyn Debug) -> fmt::Result {
    let mut writer = EscapingWriter(writer);
    match name {
        "message" => write!(writer, "{value:?}"),
        name => write!(writer, "{name}={value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_leaves_its_line() {
        let mut line = String::new();
        let value = format_args!("a\n2026-01-31 INFO verified\u{1b}[2K").to_string();
        write_field(&mut line, "session_id", &format_args!("{value}")).unwrap();
        assert_eq!(line, "session_id=a\\n2026-01-31 INFO verified\\u{1b}[2K");
    }
}
