//! Where an event was seen, and by which of the service's ways of looking.

use std::fmt;

use serde::Serialize;
use solana_pubkey::Pubkey;
use time::OffsetDateTime;

use crate::{MessageError, field::Object, timestamp};

/// Where an event was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The transaction's signature in base58; `None` (null) if the event was found in account state, which names none.
    pub signature: Option<String>,
    /// Slot of the transaction, or of the account state.
    pub slot: u64,
    /// Position among the factory's data lines of the transaction.
    pub event_index: u32,
    /// The program that was listened to.
    #[serde(serialize_with = "base58")]
    pub program_id: Pubkey,
    /// When this service saw the event; RFC 3339 in UTC with milliseconds, so anything finer is lost on the way.
    #[serde(serialize_with = "timestamp::serialize")]
    pub observed_at: OffsetDateTime,
    /// How it was found.
    pub origin: Origin,
    /// Who paid for the transaction, where that was looked up (`policy.lamports_per_requester_per_hour`): unlike the
    /// event's owner, which is an argument that anybody can make up, it has signed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_base58")]
    pub requester: Option<Pubkey>,
}

impl Source {
    pub(crate) fn read(fields: &Object<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            signature: fields.optional_text("signature")?.map(str::to_owned),
            slot: fields.u64("slot")?,
            event_index: fields.u32("event_index")?,
            program_id: fields.address("program_id")?,
            observed_at: fields.parsed("observed_at", timestamp::EXPECTED, timestamp::parse)?,
            origin: fields.parsed("origin", Origin::EXPECTED, Origin::from_name)?,
            requester: fields.optional_address("requester")?,
        })
    }
}

/// How an event was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In the subscription to the chain's logs.
    Live,
    /// In the transactions between the watermark and the live stream.
    Fill,
    /// In the transactions of a range that somebody asked for.
    Backfill,
    /// In a transaction's instructions, its logs being cut.
    Recovery,
    /// In the state of the factory's accounts.
    Reconciliation,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Live,
        Self::Fill,
        Self::Backfill,
        Self::Recovery,
        Self::Reconciliation,
    ];

    const EXPECTED: &'static str = "live, fill, backfill, recovery or reconciliation";

    /// Its name in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Fill => "fill",
            Self::Backfill => "backfill",
            Self::Recovery => "recovery",
            Self::Reconciliation => "reconciliation",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.name() == name)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[expect(clippy::ref_option, reason = "it is what serde passes")]
fn optional_base58<S: serde::Serializer>(address: &Option<Pubkey>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => base58(address, serializer),
        None => serializer.serialize_none(),
    }
}

fn base58<S: serde::Serializer>(address: &Pubkey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}
