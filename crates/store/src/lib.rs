//! What lasts on one machine: one SQLite file under the state folder.
//!
//! It owns the file, its layout and the lock on it. One process at a time is its **owner** ([`Store`]) and may write;
//! others read meanwhile ([`Reader`]) and see what is committed. Every write is on disk before its call returns. The
//! file's rooms are the ledger, the dead letters and deferred messages of the queue in memory, the watermark, the
//! quarantine, what was found served, and the sessions' histories. What these mean is their owners' business: this crate keeps
//! records and gives them back.
//!
//! SQLite blocks, so one thread has the connection and takes one job after the other from a bounded channel.

mod error;
mod history;
mod ledger;
mod messages;
mod owner;
mod quarantine;
mod reader;
mod row;
mod schema;
mod served;
mod store;
mod watermark;
mod worker;

pub use error::StoreError;
pub use history::{Chapter, ChapterKind, Keep};
pub use ledger::StoreLedger;
pub use messages::StoredLetter;
pub use owner::owner;
pub use reader::Reader;
pub use store::{FILE, Store};
