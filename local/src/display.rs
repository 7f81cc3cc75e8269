//! Shows what becomes of each session: coloured columns over a progress bar for a person, `key=value` for a pipe.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use console::{StyledObject, style};
use create_accounts::{Conclusion, RecordObserver, RecordReport};
use session_engine::Outcome;
use session_telemetry::Escaped;
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::{
    latencies::{Latencies, LatencySummary},
    line::Line,
    screen::Screen,
};

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
    /// Waits for room, which were no attempts.
    pub deferred: u64,
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
    screen: Arc<Screen>,
    expected: Option<u64>,
    totals: watch::Sender<Totals>,
    /// Which accounts were verified, where a number of them is expected: without one there is no end to it.
    verified: Mutex<HashSet<Pubkey>>,
    latencies: Mutex<Latencies<Duration>>,
    latencies_in_slots: Mutex<Latencies<u64>>,
}

impl Display {
    /// A display for `expected` sessions, or for as many as come.
    #[must_use]
    pub fn new(screen: Arc<Screen>, expected: Option<u64>) -> Self {
        Self {
            screen,
            expected,
            totals: watch::Sender::new(Totals::default()),
            verified: Mutex::default(),
            latencies: Mutex::default(),
            latencies_in_slots: Mutex::default(),
        }
    }

    /// The totals, now and whenever they change.
    #[must_use]
    pub fn totals(&self) -> watch::Receiver<Totals> {
        self.totals.subscribe()
    }

    /// How many accounts were verified; different ones, where a number is expected.
    #[must_use]
    pub fn accounts_verified(&self) -> u64 {
        if self.expected.is_some() {
            return self.verified.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        }
        let totals = self.totals.borrow();
        totals.created + totals.existed
    }

    /// How long the verified accounts took, from their events' visibility.
    #[must_use]
    pub fn latencies(&self) -> LatencySummary<Duration> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).summary()
    }

    /// How many slots the created accounts took, from their events' blocks to their own.
    #[must_use]
    pub fn latencies_in_slots(&self) -> LatencySummary<u64> {
        let latencies = self.latencies_in_slots.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.summary()
    }

    /// Prints a line that is no record's. Text of strangers in it must be escaped already.
    pub fn say(&self, line: &str) {
        self.screen.line(line);
    }

    /// Ends the progress bar; lines may still be printed.
    pub fn finish(&self) {
        self.screen.end_progress();
    }

    fn count(&self, report: &RecordReport) {
        self.totals.send_modify(|totals| match &report.conclusion {
            Conclusion::Verified(Outcome::Created { .. }) => totals.created += 1,
            Conclusion::Verified(Outcome::AlreadyExisted) => totals.existed += 1,
            Conclusion::Skipped | Conclusion::Closed(_) => totals.skipped += 1,
            Conclusion::Retried { .. } => totals.retried += 1,
            Conclusion::Deferred { .. } => totals.deferred += 1,
            Conclusion::DeadLettered(_) => totals.dead_lettered += 1,
        });
        let Conclusion::Verified(_) = &report.conclusion else {
            return;
        };
        if let (Some(_), Some(message)) = (self.expected, &report.message) {
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.insert(message.event.expected_pda);
        }
        if let Some(latency) = report.latency() {
            let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.add(latency);
        }
        if let Some(slots) = report.latency_slots() {
            let mut latencies = self.latencies_in_slots.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.add(slots);
        }
    }

    fn progress(&self) {
        let totals = self.totals.borrow().clone();
        let message = format!(
            "created {}  existed {}  retried {}  dead letters {}",
            totals.created, totals.existed, totals.retried, totals.dead_lettered
        );
        self.screen.progress(totals.concluded(), self.expected, message);
    }
}

impl RecordObserver for Display {
    fn concluded(&self, report: &RecordReport) {
        self.count(report);
        let line = Line::of(report);
        self.screen.line(&if self.screen.is_terminal() {
            coloured(report, &line)
        } else {
            line.keyed(word(report, &line))
        });
        self.progress();
    }
}

fn word(report: &RecordReport, line: &Line) -> StyledObject<&'static str> {
    let word = style(line.word);
    match &report.conclusion {
        Conclusion::Verified(_) => word.green(),
        Conclusion::Skipped | Conclusion::Closed(_) => word.dim(),
        Conclusion::Retried { .. } | Conclusion::Deferred { .. } => word.yellow(),
        Conclusion::DeadLettered(_) => word.red().bold(),
    }
}

fn coloured(report: &RecordReport, line: &Line) -> String {
    let word = word(report, line);
    format!(
        "{word:>11} {} {} {} {:>5} B  attempt {}  {}  {}",
        style(Escaped(&line.session_id)).bold(),
        style(&line.pda).cyan(),
        style(Escaped(abridged(&line.signature))).dim(),
        line.size_bytes,
        line.attempt,
        style(latency(line)).bold(),
        Escaped(&line.note),
    )
}

/// A latency as a clock and as the chain tells it.
fn latency(line: &Line) -> String {
    match line.latency_slots {
        Some(slots) => format!("{} ms, {slots} slots", line.latency_ms),
        None => format!("{} ms", line.latency_ms),
    }
}

/// The start of a signature: enough to tell it from the others on a screen.
fn abridged(signature: &str) -> String {
    match signature.get(..16) {
        Some(start) => format!("{start}…"),
        None => signature.to_owned(),
    }
}
