//! How fast transaction logs become events on one core: `session-events` beside anchor-client's public parsing.
//!
//! `cargo run --release`. Both read the same logs in the same run, in turns, and must find the same `PDAComputedEvent`s. Anchor
//! looks for that one event; `session-events` looks for all nine and accounts for every line that it refuses.

mod anchor;
mod transactions;

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use session_events::{Decoder, Event, factory::SESSION_FACTORY_ID};

/// How often each side has its turn; the median counts.
const ROUNDS: usize = 7;

/// How long a turn lasts.
const TURN: Duration = Duration::from_secs(1);

/// Transactions that are read over and over. Their logs fit a second-level cache, as those of a transaction do that was just received.
const TRANSACTIONS: usize = 400;

/// What the logs hold.
struct Size {
    lines: usize,
    bytes: usize,
}

fn main() -> ExitCode {
    let logs = transactions::mix(TRANSACTIONS);
    let size = Size {
        lines: logs.iter().map(Vec::len).sum(),
        bytes: logs.iter().flatten().map(String::len).sum(),
    };
    println!(
        "{TRANSACTIONS} transactions, {} lines, {:.1} MB; one core, median of {ROUNDS} turns of {TURN:?}",
        size.lines,
        megabytes(size.bytes)
    );

    let decoder = Decoder::new(&SESSION_FACTORY_ID);
    let ours = || logs.iter().map(|lines| requests(&decoder, lines)).sum::<usize>();
    let anchors = || logs.iter().map(|lines| anchor::requests(lines)).sum::<usize>();
    if ours() != anchors() {
        eprintln!(
            "they do not agree: {} events by session-events, {} by anchor-client",
            ours(),
            anchors()
        );
        return ExitCode::FAILURE;
    }
    println!("{} PDAComputedEvents, found by both", ours());

    let mut seconds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        seconds[0].push(seconds_per_pass(ours));
        seconds[1].push(seconds_per_pass(anchors));
    }
    let [ours, anchors] = seconds.map(median);
    report("session-events", &size, ours);
    report("anchor-client 1.2", &size, anchors);
    println!("ratio              {:.1}", anchors / ours);
    ExitCode::SUCCESS
}

/// `PDAComputedEvent`s in one transaction's logs.
fn requests(decoder: &Decoder, lines: &[String]) -> usize {
    let decoded = black_box(decoder.decode(black_box(lines)));
    let asked = decoded
        .events
        .iter()
        .filter(|logged| matches!(logged.event, Event::PdaComputed(_)));
    asked.count()
}

/// Passes over all logs for the length of a turn.
fn seconds_per_pass(pass: impl Fn() -> usize) -> f64 {
    let start = Instant::now();
    let mut passes = 0_u32;
    while start.elapsed() < TURN {
        black_box(pass());
        passes += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(passes)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn report(name: &str, size: &Size, seconds: f64) {
    let lines = size.lines as f64 / seconds / 1e6;
    println!(
        "{name:<18} {lines:>6.2} M lines/s {:>7.0} MB/s",
        megabytes(size.bytes) / seconds
    );
}
