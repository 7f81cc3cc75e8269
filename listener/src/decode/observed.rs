//! An event as it was found: what lifecycle metrics and custom handlers are given.

use serde_json::Value;
use session_events::Event;
use session_message::Origin;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

/// An event of the factory, and where and when it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedEvent {
    /// The event.
    pub body: EventBody,
    /// The transaction; `None` if the event follows from account state.
    pub signature: Option<Signature>,
    /// Slot of the transaction, or of the account state.
    pub slot: u64,
    /// Position among the factory's data lines of the transaction; for a recovered event, that of its instruction.
    pub index: u32,
    /// Since when it is visible: when its slot was first seen, or its block's time where nobody was looking.
    pub observed_at: OffsetDateTime,
    /// How it was found.
    pub origin: Origin,
    /// Who paid for the transaction, where that is looked up (`policy.lamports_per_requester_per_hour`).
    pub requester: Option<Pubkey>,
}

/// An event's fields.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// One of the nine events that this service knows.
    Known(Event),
    /// An event that only the user's IDL knows, or knows otherwise.
    Declared {
        /// Its name in the IDL.
        name: String,
        /// Its fields by name.
        fields: Value,
    },
}

impl ObservedEvent {
    /// The event's name in the IDL, e.g. `"SessionQueuedEvent"`.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.body {
            EventBody::Known(event) => event.kind().name(),
            EventBody::Declared { name, .. } => name,
        }
    }
}
