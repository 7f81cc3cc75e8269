//! Listens to `session_factory` and puts every session account that it asks for into a queue, losing none and
//! believing nobody else (`docs/invariants.md`, 1 and 3).
//!
//! ```text
//!  socket ─▶ subscription ─▶ fast path ─┐                    ┌▶ metrics, custom handlers
//!                                       ├▶ intake (each once) ─▶ outbox ─▶ publisher ─▶ queue
//!  poller ─▶ pager ─▶ fetcher ──────────┘   │                                    │
//!                       │                watermark ◀── acknowledgement ◀─────────┘
//!                       └▶ quarantine       └─▶ watermark, saved
//! ```
//!
//! The rooms, from the top: `jobs` and `listener` build the others; `reconcile` compares account state; `source` finds
//! transactions; `intake` takes each in once; `publish` sends messages; `quarantine` keeps what cannot be read; `checkpoint`
//! knows how far everything is settled; `decode` reads. None looks up, and a test holds them to it.
//!
//! The chain's own listing of the program's transactions is what counts: it alone moves the watermark, and it alone is
//! needed for nothing to be lost. The subscription makes it fast. Account state is a second, independent source.

mod bounded;
mod checkpoint;
mod checks;
mod config;
mod decode;
mod error;
mod intake;
mod jobs;
mod lasting;
mod listener;
mod patience;
mod publish;
mod quarantine;
mod reconcile;
mod settings;
mod source;
mod sparing;
mod status;

pub use checkpoint::error::WatermarkError;
pub use checkpoint::place::{WatermarkStore, WatermarkStoreError};
pub use checkpoint::saved::{Provenance, SavedWatermark};
pub use checkpoint::watermark::Mark;
pub use checkpoint::watermarks::Watermarks;
pub use checks::{
    EventStream, Operation, Passing, Pulse, QuarantineDepth, QueueCheck, RpcSlot, WalletBalance, WatchedQueue,
};
pub use config::{ListenerConfig, ReconcileConfig, StartAt};
pub use decode::observed::{EventBody, ObservedEvent};
pub use error::{ListenerError, ReconcileError};
pub use intake::handlers::EventHandler;
pub use jobs::backfill::{BackfillReport, BackfillRequest, Point, backfill};
pub use jobs::job::reconcile;
pub use jobs::kept::KeptWatermark;
pub use lasting::Lasting;
pub use listener::service::Listener;
pub use quarantine::{
    item::{ListedTransaction, QuarantineContent, QuarantineItem, QuarantineReason, Testimony},
    place::Quarantine,
    store::{QuarantineError, QuarantineStore},
};
pub use reconcile::{
    report::{MissedSession, Named, ReconcileReport, ReconcileRequest, UnderivableSession},
    served::{Served, ServedError, ServedStore},
};
pub use settings::{SettingsError, sqs_queue};
pub use sparing::Sparing;
pub use status::{AgeLimits, Completeness, ListenerStatus, QuarantineSummary};

#[cfg(test)]
mod rooms {
    //! The rooms stand one above the other, and none looks up.

    use std::path::{Path, PathBuf};

    /// From the bottom. What stands outside of the rooms (settings, status, patience) belongs to nobody.
    const ROOMS: [&str; 9] = [
        "decode",
        "checkpoint",
        "quarantine",
        "publish",
        "intake",
        "source",
        "reconcile",
        "listener",
        "jobs",
    ];

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
            .collect()
    }

    /// The rooms that a file names, in `use crate::{…}` or by path.
    fn named(text: &str) -> impl Iterator<Item = usize> {
        (0..ROOMS.len()).filter(|&room| {
            let (path, member) = (format!("crate::{}::", ROOMS[room]), format!("    {}::", ROOMS[room]));
            let in_use = |block: &str| {
                let block = block.split("};").next().unwrap_or_default();
                block.lines().any(|line| line.starts_with(&member)) || block.contains(&format!("{}::", ROOMS[room]))
            };
            text.contains(&path) || text.split("use crate::{").skip(1).any(in_use)
        })
    }

    #[test]
    fn no_room_looks_up() {
        for (height, room) in ROOMS.iter().enumerate() {
            let files = files(&Path::new("src").join(room));
            assert!(files.len() > 1, "{room}");
            for file in files {
                let text = std::fs::read_to_string(&file).unwrap();
                let above: Vec<_> = named(&text)
                    .filter(|&named| named > height)
                    .map(|named| ROOMS[named])
                    .collect();
                assert!(above.is_empty(), "{} names {above:?}", file.display());
            }
        }
    }
}
