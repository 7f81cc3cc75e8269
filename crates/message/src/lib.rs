//! The queue's message: one `PDAComputedEvent` and where it was seen, as JSON of version 1.
//!
//! The JSON is read in consoles and by people at night, so addresses are base58, times are RFC 3339, and whatever
//! is wrong with a body is said with the field's name and its value (`docs/contract.md`, "The queue's message").

mod error;
mod field;
mod source;
mod timestamp;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use session_events::{EventKind, PdaComputedEvent};
use solana_pubkey::Pubkey;

pub use error::MessageError;
pub use source::{Origin, Source};

use crate::field::Object;

/// The version that this code writes, and the only one that it reads.
pub const VERSION: u8 = 1;

/// One message of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Layout of the message: [`VERSION`].
    pub version: u8,
    /// What the factory asked for.
    pub event: PdaComputedEvent,
    /// Where the event was seen.
    pub source: Source,
}

impl Message {
    /// A message of the current version.
    #[must_use]
    pub fn new(event: PdaComputedEvent, source: Source) -> Self {
        Self {
            version: VERSION,
            event,
            source,
        }
    }

    /// The message as the body of a queue message.
    ///
    /// # Errors
    /// [`MessageError::Unwritable`] if `observed_at` lies outside the years that RFC 3339 can write.
    pub fn to_json(&self) -> Result<String, MessageError> {
        serde_json::to_string(self).map_err(|error| MessageError::Unwritable {
            detail: error.to_string(),
        })
    }

    /// Reads the body of a queue message. Fields that version 1 doesn't know are left alone.
    ///
    /// # Errors
    /// [`MessageError`], naming the first field that is missing or wrong, and its value. None is worth a retry.
    pub fn from_json(body: &str) -> Result<Self, MessageError> {
        let value: Value = serde_json::from_str(body).map_err(|error| MessageError::NotJson {
            detail: error.to_string(),
        })?;
        let message = Object::root(&value)?;
        let version = message.version()?;
        Ok(Self {
            version,
            event: event(&message.object("event")?)?,
            source: Source::read(&message.object("source")?)?,
        })
    }

    /// Whose budget the account counts against, and whose turn it is in the queue: the requester, else the event's owner,
    /// which is only claimed.
    #[must_use]
    pub fn answerable(&self) -> Pubkey {
        self.source.requester.unwrap_or(self.event.owner)
    }

    /// The message attributes that make messages filterable: `event_type`, `pda` and `slot`.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("event_type".to_owned(), EventKind::PdaComputed.name().to_owned()),
            ("pda".to_owned(), self.event.expected_pda.to_string()),
            ("slot".to_owned(), self.source.slot.to_string()),
        ])
    }
}

fn event(fields: &Object<'_>) -> Result<PdaComputedEvent, MessageError> {
    Ok(PdaComputedEvent {
        expected_pda: fields.address("expected_pda")?,
        expected_size: fields.u64("expected_size")?,
        expected_owner: fields.address("expected_owner")?,
        session_id: fields.text("session_id")?.to_owned(),
        owner: fields.address("owner")?,
        eval_program: fields.address("eval_program")?,
        shard_address: fields.address("shard_address")?,
        namespaces: fields.texts("namespaces")?,
        compute_slot: fields.u64("compute_slot")?,
    })
}
