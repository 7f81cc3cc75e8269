//! One stream, written by a thread of its own.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::time::Instant;

/// Lines that wait for a slow reader: some minutes of a busy service, and some megabytes.
const WAITING_MAX: usize = 32_768;

/// How often the end of the process looks for room in a full channel.
const ROOM_POLL: Duration = Duration::from_millis(5);

/// What waits to be done, in order.
enum Piece {
    Text(String),
    Act(Box<dyn FnOnce() + Send>),
    Flush(SyncSender<()>),
}

/// The way into the stream.
pub(super) struct Outlet {
    pieces: SyncSender<Piece>,
    lost: Arc<AtomicU64>,
}

impl Outlet {
    /// Starts the thread, which ends with the process or when the outlet is dropped.
    pub(super) fn open(name: &str, write: impl Fn(&str) + Send + 'static) -> io::Result<Self> {
        let (pieces, waiting) = sync_channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&waiting, &counted, &write))?;
        Ok(Self { pieces, lost })
    }

    /// Hands over a text, or counts it as lost where there is no room.
    pub(super) fn offer(&self, text: String) {
        if let Err(TrySendError::Full(_)) = self.pieces.try_send(Piece::Text(text)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands over a text once there is room.
    pub(super) fn put(&self, text: String) {
        // The thread ends with the process only.
        let _ = self.pieces.send(Piece::Text(text));
    }

    /// Has something done between two texts; not at all where there is no room.
    pub(super) fn act(&self, act: impl FnOnce() + Send + 'static) {
        let _ = self.pieces.try_send(Piece::Act(Box::new(act)));
    }

    /// Waits until everything before is written, `limit` at most.
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever flushes is no task, and has nothing else to do"
    )]
    pub(super) fn flush(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let (written, wait) = sync_channel(1);
        let mut flush = Piece::Flush(written);
        while let Err(TrySendError::Full(back)) = self.pieces.try_send(flush) {
            if Instant::now() >= until {
                return;
            }
            flush = back;
            thread::sleep(ROOM_POLL);
        }
        let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn work(waiting: &Receiver<Piece>, lost: &AtomicU64, write: &dyn Fn(&str)) {
    while let Ok(piece) = waiting.recv() {
        match piece {
            Piece::Text(text) => {
                write(&text);
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    write(&format!("… {lost} lines are missing here: nobody read them in time\n"));
                }
            }
            Piece::Act(act) => act(),
            Piece::Flush(written) => {
                // Whoever waited may have given up.
                let _ = written.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_nothing_else() {
        let (go, wait) = sync_channel::<()>(1);
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let outlet = Outlet::open("test", move |text| {
            if kept.lock().unwrap().is_empty() {
                wait.recv().unwrap();
            }
            kept.lock().unwrap().push(text.to_owned());
        })
        .unwrap();
        for number in 0..WAITING_MAX + 10 {
            outlet.offer(number.to_string());
        }
        go.send(()).unwrap();
        outlet.flush(Duration::from_secs(10));
        let written = written.lock().unwrap();
        let missing = written.iter().filter(|line| line.contains("are missing here")).count();
        assert_eq!((written[0].as_str(), missing), ("0", 1));
    }
}
