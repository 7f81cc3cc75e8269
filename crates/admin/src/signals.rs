//! How a process is told to stop: its first SIGTERM or SIGINT drains it, the second ends it at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell reports of a process that SIGINT has ended.
const ENDED_AT_ONCE: i32 = 130;

/// Runs something that stops when its token is cancelled, and cancels it at the first signal. The second one ends the
/// process. Signals are handled before anything runs, so that none of them kills what has only begun.
///
/// # Errors
/// The signals cannot be handled; nothing has run.
pub async fn with_signals<F: Future>(running: impl FnOnce(CancellationToken) -> F) -> io::Result<F::Output> {
    let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let stop = CancellationToken::new();
    // A task of its own: the second signal ends the process even if what runs has stopped giving way.
    let signals = tokio::spawn(stop_on_signal(terminate?, interrupt?, stop.clone()));
    let ended = running(stop).await;
    signals.abort();
    Ok(ended)
}

async fn stop_on_signal(mut terminate: Signal, mut interrupt: Signal, stop: CancellationToken) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.is_cancelled() {
            std::process::exit(ENDED_AT_ONCE);
        }
        stop.cancel();
    }
}
