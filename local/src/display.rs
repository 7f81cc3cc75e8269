//! Shows what becomes of each session: coloured lines over a progress bar on a terminal, plain lines in a pipe.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use console::style;
use create_accounts::{Conclusion, RecordObserver, RecordReport};
use indicatif::{ProgressBar, ProgressStyle};
use session_engine::Outcome;
use session_telemetry::{Escaped, Quoted};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::latencies::{Latencies, LatencySummary};

/// What has been concluded so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accounts that this run created and verified.
    pub created: u64,
    /// Accounts that existed already and passed verification.
    pub existed: u64,
    /// Events that ask for no account.
    pub skipped: u64,
    /// Attempts that failed and will be made again.
    pub retried: u64,
    /// Messages that ended in the dead-letter queue.
    pub dead_lettered: u64,
}

impl Totals {
    /// Messages that will not come back.
    #[must_use]
    pub fn concluded(&self) -> u64 {
        self.created + self.existed + self.skipped + self.dead_lettered
    }
}

/// Prints a line per record and keeps the totals.
pub struct Display {
    bar: ProgressBar,
    plain: bool,
    totals: watch::Sender<Totals>,
    verified: Mutex<HashSet<Pubkey>>,
    latencies: Mutex<Latencies>,
}

impl Display {
    /// A display for `expected` sessions, or for as many as come.
    #[must_use]
    pub fn new(expected: Option<u64>) -> Self {
        let plain = !console::user_attended();
        let bar = match (plain, expected) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(expected)) => ProgressBar::new(expected).with_style(bar_style()),
            (false, None) => ProgressBar::new_spinner(),
        };
        Self {
            bar,
            plain,
            totals: watch::Sender::new(Totals::default()),
            verified: Mutex::default(),
            latencies: Mutex::default(),
        }
    }

    /// The totals, now and whenever they change.
    #[must_use]
    pub fn totals(&self) -> watch::Receiver<Totals> {
        self.totals.subscribe()
    }

    /// How many different accounts were verified.
    #[must_use]
    pub fn accounts_verified(&self) -> usize {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How long the verified accounts took, from their events' visibility.
    #[must_use]
    pub fn latencies(&self) -> LatencySummary {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).summary()
    }

    /// Prints a line that is no record's, without disturbing the progress bar.
    pub fn say(&self, line: &str) {
        if self.plain {
            println!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// Ends the progress bar; lines may still be printed.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn count(&self, report: &RecordReport) {
        self.totals.send_modify(|totals| match &report.conclusion {
            Conclusion::Verified(Outcome::Created { .. }) => totals.created += 1,
            Conclusion::Verified(Outcome::AlreadyExisted) => totals.existed += 1,
            Conclusion::Skipped => totals.skipped += 1,
            Conclusion::Retried { .. } => totals.retried += 1,
            Conclusion::DeadLettered(_) => totals.dead_lettered += 1,
        });
        if let (Conclusion::Verified(_), Some(message)) = (&report.conclusion, &report.message) {
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.insert(message.event.expected_pda);
        }
        if let (Conclusion::Verified(_), Some(latency)) = (&report.conclusion, report.latency()) {
            self.latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(latency);
        }
    }

    fn progress(&self) {
        let totals = self.totals.borrow();
        self.bar.set_position(totals.concluded());
        self.bar.set_message(format!(
            "created {}  existed {}  retried {}  dead letters {}",
            totals.created, totals.existed, totals.retried, totals.dead_lettered
        ));
    }
}

impl RecordObserver for Display {
    fn concluded(&self, report: &RecordReport) {
        self.count(report);
        self.say(&if self.plain {
            plain_line(report)
        } else {
            coloured_line(report)
        });
        self.progress();
    }
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30.green/dim} {pos}/{len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The facts of a report that a line shows, in the order in which it shows them.
struct Line {
    word: &'static str,
    session_id: String,
    pda: String,
    signature: String,
    size_bytes: u64,
    attempt: u32,
    latency_ms: u128,
    note: String,
}

impl Line {
    fn of(report: &RecordReport) -> Self {
        let (word, signature, note) = match &report.conclusion {
            Conclusion::Verified(Outcome::Created { signature, .. }) => {
                ("verified", signature.to_string(), String::new())
            }
            Conclusion::Verified(Outcome::AlreadyExisted) => ("existed", String::new(), String::new()),
            Conclusion::Skipped => ("skipped", String::new(), String::from("asks for no account")),
            Conclusion::Retried { reason, after } => {
                let note = format!("{}: {}; again in {after:?}", reason.code, reason.sentence);
                ("retried", reason.last_signature.clone().unwrap_or_default(), note)
            }
            Conclusion::DeadLettered(reason) => {
                let note = format!("{}: {}", reason.code, reason.sentence);
                ("dead-letter", reason.last_signature.clone().unwrap_or_default(), note)
            }
        };
        let event = report.message.as_ref().map(|message| &message.event);
        Self {
            word,
            session_id: event.map_or_else(|| report.message_id.clone(), |event| event.session_id.clone()),
            pda: event.map_or_else(String::new, |event| event.expected_pda.to_string()),
            signature,
            size_bytes: event.map_or(0, |event| event.expected_size),
            attempt: report.attempt,
            latency_ms: report.latency().unwrap_or_default().as_millis(),
            note,
        }
    }
}

fn plain_line(report: &RecordReport) -> String {
    let line = Line::of(report);
    let note = if line.note.is_empty() {
        String::new()
    } else {
        format!(" note={:?}", line.note)
    };
    format!(
        "{} session={} pda={} signature={} size={} attempt={} latency_ms={}{note}",
        line.word,
        Quoted(&line.session_id),
        line.pda,
        Quoted(&line.signature),
        line.size_bytes,
        line.attempt,
        line.latency_ms
    )
}

fn coloured_line(report: &RecordReport) -> String {
    let line = Line::of(report);
    let word = match &report.conclusion {
        Conclusion::Verified(_) => style(line.word).green(),
        Conclusion::Skipped => style(line.word).dim(),
        Conclusion::Retried { .. } => style(line.word).yellow(),
        Conclusion::DeadLettered(_) => style(line.word).red().bold(),
    };
    format!(
        "{word:>11} {} {} {} {:>5} B  attempt {}  {}  {}",
        style(Escaped(line.session_id)).bold(),
        style(line.pda).cyan(),
        style(Escaped(abridged(&line.signature))).dim(),
        line.size_bytes,
        line.attempt,
        style(format!("{} ms", line.latency_ms)).bold(),
        Escaped(line.note),
    )
}

/// The start of a signature: enough to tell it from the others on a screen.
fn abridged(signature: &str) -> String {
    match signature.get(..16) {
        Some(start) => format!("{start}…"),
        None => signature.to_owned(),
    }
}
