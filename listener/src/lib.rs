//! Listens to `session_factory` and puts every session account that it asks for into a queue, losing none and
//! believing nobody else (DESIGN, invariants 1 and 3).
//!
//! ```text
//!  subscription ─▶ fast path ─┐                        ┌▶ metrics, custom handlers
//!                             ├▶ intake (each transaction once) ─▶ outbox ─▶ publisher ─▶ queue
//!  listing ─▶ sweep ──────────┘        │                                       │
//!                                  frontier ◀────────── settlement ◀───────────┘
//!                                      └─▶ cursor, saved
//! ```
//!
//! The chain's own listing of the program's transactions is what counts: it alone moves the cursor, and it alone is
//! needed for nothing to be lost. The subscription makes it fast. Account state is a second, independent source.

mod accounts;
mod backfill;
mod chain;
mod checks;
mod config;
mod covered;
mod cursor;
mod errand;
mod error;
mod fast_path;
mod feed;
mod frontier;
mod handlers;
mod history;
mod intake;
mod ledger;
mod lifecycle;
mod listener;
mod live;
mod observed;
mod outgoing;
mod outlet;
mod parking;
mod patience;
mod publisher;
mod reading;
mod reconcile;
mod saver;
mod settings;
mod settlement;
mod slot_clock;
mod socket;
mod start;
mod status;
mod sweep;
mod transaction;
mod wire;

pub use backfill::{BackfillReport, BackfillRequest, Point, backfill};
pub use checks::{EventStream, RpcSlot, WalletBalance};
pub use config::{ListenerConfig, ReconcileConfig, StartAt};
pub use cursor::{CursorError, CursorStore, SavedCursor};
pub use errand::reconcile;
pub use error::{ListenerError, ReconcileError};
pub use frontier::Mark;
pub use handlers::EventHandler;
pub use listener::Listener;
pub use observed::{EventBody, ObservedEvent};
pub use reconcile::{MissedSession, ReconcileReport, UnderivableSession};
pub use settings::{SettingsError, rpc_pool, sqs_queue};
pub use status::ListenerStatus;
