//! Logs on standard error: lines for a person, or JSON for a machine. One event is one line, whatever its fields hold;
//! what was named a secret never leaves, whoever logs it; no line tells where on the machine that built a library its source
//! was; and nobody reading is nobody's problem.

use std::{
    fmt::{self, Debug},
    io::{self, IsTerminal, Write},
    sync::{Arc, PoisonError, RwLock},
};

use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    filter::LevelFilter,
    fmt::{
        FormatFields, MakeWriter,
        format::{Writer, debug_fn},
    },
    util::{SubscriberInitExt, TryInitError},
};

use crate::escape::EscapingWriter;

/// What stands in a log where a secret was.
const WITHHELD: &str = "(withheld)";
/// Whoever asks for single targets still sees errors of all others.
const FLOOR: &str = "error";
/// What begins so in a record of the `log` crate is where it was written: the target is told already, and the rest is a path
/// of the machine that built the library.
const ORIGIN: &str = "log.";

/// Fragments that are never written, such as the keys in RPC addresses.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where finished lines go, each with its line break.
pub type LogSink = Arc<dyn Fn(&str) + Send + Sync>;

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
    /// A word that is no level would be taken for a target, and all other logs would be silent.
    #[error(
        "log level {level:?}: {word:?} is no level; use error, warn, info, debug, trace or off, and target=level for \
         one target"
    )]
    NoLevel {
        /// What was given.
        level: String,
        /// The part of it that is no level.
        word: String,
    },
    /// Somebody has set up logs already.
    #[error("logs are set up already: {0}")]
    AlreadySet(#[from] TryInitError),
}

/// Keeps fragments out of all logs from now on, such as the secret parts of an RPC address.
pub fn withhold(secrets: impl IntoIterator<Item = String>) {
    let mut kept = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    for secret in secrets {
        if !secret.is_empty() && !kept.contains(&secret) {
            kept.push(secret);
        }
    }
    // A secret that holds another one goes first, or its rest would be left standing.
    kept.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
}

/// Sends what is logged at `level` or above to standard error. `level` may be a whole filter, such as
/// `info,session_engine=debug`. Libraries that log by the `log` crate are heard as well; the files and lines of their sources
/// are left out.
///
/// # Errors
/// [`LogError`].
pub fn init_logs(level: &str, format: LogFormat) -> Result<(), LogError> {
    let sink: LogSink = Arc::new(|line| {
        // Lost output is lost output: the service does not depend on who reads it.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    });
    init_logs_to(level, format, io::stderr().is_terminal(), sink)
}

/// The same, with lines going to `sink`, coloured or not.
///
/// # Errors
/// [`LogError`].
pub fn init_logs_to(level: &str, format: LogFormat, coloured: bool, sink: LogSink) -> Result<(), LogError> {
    let coloured = coloured && format == LogFormat::Text;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(level)?)
        .with_ansi(coloured)
        .log_internal_errors(false)
        .with_writer(Lines(sink));
    match format {
        LogFormat::Text => builder.fmt_fields(escaped_fields()).finish().try_init()?,
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

/// Reads a filter, so that no word in it silences what it was not meant to.
fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let mut directives = Vec::new();
    let mut has_general_level = false;
    for directive in level
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
    {
        // Spans and fields may hold anything; the filter's own parser reads them.
        let general = !directive.contains(['=', '[', '{']) && !level.contains(['[', '{']);
        has_general_level |= general;
        let (target, word) = directive.rsplit_once('=').unwrap_or(("", directive));
        let word = if word.eq_ignore_ascii_case("warning") {
            "warn"
        } else {
            word
        };
        if general && word.parse::<LevelFilter>().is_err() {
            return Err(LogError::NoLevel {
                level: level.to_owned(),
                word: word.to_owned(),
            });
        }
        directives.push(if target.is_empty() {
            word.to_owned()
        } else {
            format!("{target}={word}")
        });
    }
    if !has_general_level {
        directives.insert(0, FLOOR.to_owned());
    }
    EnvFilter::try_new(directives.join(",")).map_err(|source| LogError::BadLevel {
        level: level.to_owned(),
        source,
    })
}

/// Fields as the default format writes them, with everything escaped that would leave its line: values come from strangers.
fn escaped_fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer: &mut Writer<'_>, field, value: &dyn Debug| write_field(writer, field.name(), value))
        .delimited(" ")
}

fn write_field(writer: impl fmt::Write, name: &str, value: &dyn Debug) -> fmt::Result {
    use fmt::Write;
    if name.starts_with(ORIGIN) {
        return Ok(());
    }
    let mut writer = EscapingWriter(writer);
    match name {
        "message" => write!(writer, "{value:?}"),
        name => write!(writer, "{name}={value:?}"),
    }
}

/// Makes a writer for each event.
struct Lines(LogSink);

/// One event on its way out: what is written until it is dropped is one line.
struct Line<'lines> {
    lines: &'lines Lines,
    bytes: Vec<u8>,
}

impl<'lines> MakeWriter<'lines> for Lines {
    type Writer = Line<'lines>;

    fn make_writer(&'lines self) -> Self::Writer {
        Line {
            lines: self,
            bytes: Vec::new(),
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.bytes);
        if !text.is_empty() {
            // What is left out of an event leaves the space before it.
            (self.lines.0)(&format!("{}\n", without_secrets(text.trim_end())));
        }
    }
}

fn without_secrets(line: &str) -> String {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    secrets.iter().fold(line.to_owned(), |line, secret| {
        if line.contains(secret) {
            line.replace(secret, WITHHELD)
        } else {
            line
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn shown(level: &str) -> String {
        filter(level).unwrap().to_string()
    }

    #[test]
    fn a_level_is_what_it_says_and_never_silence() {
        assert_eq!(shown("warning"), "warn");
        assert_eq!(shown("INFO"), "info");
        assert_eq!(shown("off"), "off");
        assert!(shown("session_engine=warning").contains("session_engine=warn"));
        let one_target = shown("session_engine=debug");
        assert!(one_target.contains("error"), "others still tell errors: {one_target}");
        for bad in ["verbose", "info,wrong", "session_engine"] {
            let error = filter(bad).unwrap_err();
            assert!(matches!(error, LogError::NoLevel { .. }), "{bad}: {error}");
        }
        assert!(filter("a=b=c").is_err());
    }

    #[test]
    fn an_event_is_a_line_without_secrets() {
        let kept = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&kept);
        withhold([String::from("KEY-OF-A-PROVIDER"), String::new()]);
        let lines = Lines(Arc::new(move |line| sink.lock().unwrap().push_str(line)));
        let mut line = lines.make_writer();
        line.write_all(b"GET /v2/KEY-OF-A-").unwrap();
        line.write_all(b"PROVIDER\n").unwrap();
        drop(line);
        assert_eq!(*kept.lock().unwrap(), "GET /v2/(withheld)\n");
    }

    #[test]
    fn no_field_leaves_its_line() {
        let mut line = String::new();
        let value = format_args!("a\n2026-01-31 INFO verified\u{1b}[2K").to_string();
        write_field(&mut line, "session_id", &format_args!("{value}")).unwrap();
        assert_eq!(line, "session_id=a\\n2026-01-31 INFO verified\\u{1b}[2K");
    }
}
