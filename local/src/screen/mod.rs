//! What the process prints: results on standard output, logs on standard error, and a progress bar that neither tears.
//!
//! Each stream has a thread of its own behind a bounded channel. Whoever prints from within the service never waits for
//! a reader and never fails with one: a reader that is gone, or too slow, costs lines and nothing else. This room knows
//! nothing of sessions.

mod outlet;

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use session_telemetry::LogSink;

use outlet::Outlet;

/// How long the end of the process waits for a reader.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Whether lines are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The process's two streams and its progress bar.
pub struct Screen {
    results: Outlet,
    logs: Outlet,
    bar: ProgressBar,
    is_terminal: bool,
}

impl Screen {
    /// Opens both streams, and decides by what each of them is how it is written to.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(colour: Colour) -> io::Result<Arc<Self>> {
        let is_terminal = io::stdout().is_terminal();
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let coloured = match colour {
            Colour::Auto => is_terminal && !is_dumb && wants_colour(),
            Colour::Always => true,
            Colour::Never => false,
        };
        console::set_colors_enabled(coloured);
        console::set_colors_enabled_stderr(coloured && io::stderr().is_terminal());
        let bar = ProgressBar::with_draw_target(None, bar_target(is_terminal, is_dumb));
        bar.set_style(style("{spinner} {wide_msg}"));
        let results = Outlet::open(
            "results",
            around(&bar, is_terminal, |text| {
                written(&mut io::stdout().lock(), text);
            }),
        )?;
        let logs = Outlet::open(
            "logs",
            around(&bar, io::stderr().is_terminal(), |text| {
                written(&mut io::stderr().lock(), text);
            }),
        )?;
        Ok(Arc::new(Self {
            results,
            logs,
            bar,
            is_terminal,
        }))
    }

    /// Whether results are read by a person: columns and colours instead of `key=value`.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints a line that is composed already, its strangers' text escaped. Never waits: a line that finds no room is
    /// counted and left out.
    pub fn line(&self, line: &str) {
        self.results.offer(format!("{line}\n"));
    }

    /// Prints a line and waits until there is room for it: for commands that have nothing else to do.
    pub fn print(&self, line: &str) {
        self.results.put(format!("{line}\n"));
    }

    /// Shows how far something has come, out of a number that is known or not.
    pub fn progress(&self, position: u64, length: Option<u64>, message: String) {
        let bar = self.bar.clone();
        self.results.act(move || {
            if bar.length() != length
                && let Some(length) = length
            {
                bar.set_length(length);
                bar.set_style(style("{bar:30.green/dim} {pos}/{len}  {wide_msg}"));
            }
            bar.set_position(position);
            bar.set_message(message);
        });
    }

    /// Takes the progress bar away; lines may still be printed.
    pub fn end_progress(&self) {
        let bar = self.bar.clone();
        self.results.act(move || bar.finish_and_clear());
    }

    /// Where logs go so that they stay whole lines.
    #[must_use]
    pub fn log_sink(self: &Arc<Self>) -> LogSink {
        let screen = Arc::clone(self);
        Arc::new(move |line| screen.logs.offer(line.to_owned()))
    }

    /// Waits until everything is written, or until it is clear that nobody reads.
    pub fn flush(&self) {
        self.end_progress();
        self.results.flush(FLUSH_LIMIT);
        self.logs.flush(FLUSH_LIMIT);
    }
}

/// Writes to a terminal with the bar out of the way. What goes elsewhere must not touch it: a stream that nobody reads
/// would hold up the other one.
fn around(bar: &ProgressBar, is_terminal: bool, write: fn(&str)) -> impl Fn(&str) + Send + use<> {
    let bar = bar.clone();
    move |text| {
        if is_terminal {
            bar.suspend(|| write(text));
        } else {
            write(text);
        }
    }
}

/// Output that is lost is lost output: the reader went away, and the service goes on.
fn written(stream: &mut dyn Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// The bar is drawn where a person looks, by sequences that move the cursor: a terminal that says it is dumb knows none.
fn bar_target(stdout_is_terminal: bool, is_dumb: bool) -> ProgressDrawTarget {
    if is_dumb {
        ProgressDrawTarget::hidden()
    } else if stdout_is_terminal {
        ProgressDrawTarget::stdout()
    } else if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// <https://no-color.org>: set and not empty, whatever its value.
fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
