//! What a transaction's logs hold, once they are read.

use serde_json::Value;

use crate::{event::Event, refusal::Refusal};

/// What a transaction's logs hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The factory's events, in the order in which they were printed.
    pub events: Vec<LoggedEvent>,
    /// The factory's events that only the user's IDL knows, or knows otherwise, in the order in which they were printed.
    pub declared: Vec<DeclaredEvent>,
    /// Every line that looked like an event and is not believed, and why, in the order of the lines.
    pub refusals: Vec<Refusal>,
    /// Whether the logs hold everything that the transaction printed.
    pub completeness: Completeness,
}

/// An event and its place in the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Position among the factory's data lines of the transaction, undecodable ones counted too.
    pub index: u32,
    /// The event.
    pub event: Event,
}

/// An event by the layout of the user's IDL.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredEvent {
    /// Position among the factory's data lines of the transaction, undecodable ones counted too.
    pub index: u32,
    /// Its name in the IDL.
    pub name: String,
    /// Its fields by name.
    pub fields: Value,
}

/// Whether logs hold everything that the transaction printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// Every frame was opened and closed.
    Complete,
    /// The runtime cut the logs at 10,000 bytes and said so.
    Truncated,
    /// The frames contradict each other or stay open.
    Unbalanced,
}
