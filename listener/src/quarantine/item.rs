//! One thing in quarantine: what it is, why it is there, who said so, and when it is tried again.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use session_queue::SendEntry;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

/// The version that this code writes.
pub(crate) const VERSION: u32 = 1;
/// Doublings of a pause; by then every reason's longest pause is reached.
const DOUBLINGS_MAX: u32 = 16;

/// Why something is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineReason {
    /// The chain lists the transaction, and no endpoint gives it.
    Withheld,
    /// An endpoint gives the transaction in a way that does not tell what it did.
    Unreadable,
    /// The factory's own events in the transaction do not decode.
    Undecodable,
    /// The queue refuses the message, and says that the message is at fault.
    Unsendable,
    /// More transactions wait whose logs were cut than are fetched for now.
    Postponed,
}

impl QuarantineReason {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Withheld,
        Self::Unreadable,
        Self::Undecodable,
        Self::Unsendable,
        Self::Postponed,
    ];

    /// Its code, as `docs/errors` and the metrics have it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Withheld => "withheld",
            Self::Unreadable => "unreadable",
            Self::Undecodable => "undecodable",
            Self::Unsendable => "unsendable",
            Self::Postponed => "postponed",
        }
    }

    /// The first pause and the longest. A node may have a transaction a moment later; a program that nobody can decode is
    /// decoded by a new IDL or release, which a start brings.
    fn pauses(self) -> (Duration, Duration) {
        match self {
            Self::Withheld => (Duration::from_secs(5), Duration::from_mins(15)),
            Self::Unreadable => (Duration::from_secs(30), Duration::from_hours(1)),
            Self::Undecodable => (Duration::from_mins(10), Duration::from_hours(6)),
            Self::Unsendable => (Duration::from_mins(1), Duration::from_hours(6)),
            // The bucket has them wait, whenever they are tried.
            Self::Postponed => (Duration::from_mins(1), Duration::from_mins(15)),
        }
    }

    /// Whether a start of the service may have mended it: it has another decoder, another queue, or a larger bucket.
    pub(crate) fn is_mended_by_a_start(self) -> bool {
        matches!(self, Self::Undecodable | Self::Unsendable | Self::Postponed)
    }

    /// Whether the service goes on without it where there is no room: account state still tells of every session, and a
    /// listener that stands still tells of none.
    pub(crate) fn may_find_no_room(self) -> bool {
        matches!(self, Self::Undecodable | Self::Postponed)
    }

    /// How long to wait after so many tries in vain, the first of them included. `jitter` is between 0 and 1.
    pub(crate) fn pause(self, attempts: u32, jitter: f64) -> Duration {
        let (first, longest) = self.pauses();
        let doubled = first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1).min(DOUBLINGS_MAX)));
        // What was put there together is not tried again together.
        doubled.min(longest).mul_f64(1.0 + jitter / 10.0)
    }
}

impl fmt::Display for QuarantineReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// What somebody answered when it was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// An endpoint, by scheme, host and port; or the queue's name.
    pub witness: String,
    /// When it answered.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What it answered.
    pub answer: String,
}

/// What is in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QuarantineContent {
    /// A transaction of the program, which the chain has.
    Transaction {
        /// Its signature, base58.
        signature: String,
        /// Its slot.
        slot: u64,
    },
    /// Transactions of the program, which the chain has: each is done with when all of them are.
    Transactions {
        /// The oldest first.
        transactions: Vec<ListedTransaction>,
    },
    /// A message that nobody else has.
    Message {
        /// The text.
        body: String,
        /// Its attributes.
        attributes: BTreeMap<String, String>,
    },
}

/// One of several transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTransaction {
    /// Its signature, base58.
    pub signature: String,
    /// Its slot.
    pub slot: u64,
}

/// Something in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineItem {
    /// Version of this layout.
    pub version: u32,
    /// Its name: a transaction's signature, or that with an event's number, or a session's address.
    pub id: String,
    /// The program that was listened to.
    pub program_id: String,
    /// The cluster.
    pub genesis_hash: String,
    /// What it is.
    pub content: QuarantineContent,
    /// Why it is here.
    pub reason: QuarantineReason,
    /// One sentence for a person.
    pub detail: String,
    /// Who answered what, the last time that it was tried.
    pub evidence: Vec<Testimony>,
    /// When it was put here first.
    #[serde(with = "time::serde::rfc3339")]
    pub first_seen: OffsetDateTime,
    /// When it is tried again.
    #[serde(with = "time::serde::rfc3339")]
    pub next_try: OffsetDateTime,
    /// How often it was tried in vain.
    pub attempts: u32,
}

/// Whose quarantine it is: one program's on one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) program_id: Pubkey,
    pub(crate) genesis_hash: String,
}

impl Scope {
    fn item(&self, id: String, content: QuarantineContent, finding: Finding) -> QuarantineItem {
        let now = session_clock::now_utc();
        let Finding {
            reason,
            detail,
            evidence,
        } = finding;
        QuarantineItem {
            version: VERSION,
            id,
            program_id: self.program_id.to_string(),
            genesis_hash: self.genesis_hash.clone(),
            content,
            reason,
            detail,
            evidence,
            first_seen: now,
            next_try: now + reason.pause(1, session_clock::random()),
            attempts: 1,
        }
    }

    /// Its name in a place that several share.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.program_id, self.genesis_hash)
    }

    /// A transaction.
    pub(crate) fn transaction(&self, signature: &Signature, slot: u64, finding: Finding) -> QuarantineItem {
        let signature = signature.to_string();
        let content = QuarantineContent::Transaction {
            signature: signature.clone(),
            slot,
        };
        self.item(signature, content, finding)
    }

    /// Several transactions, by the name of the first.
    pub(crate) fn transactions(&self, transactions: Vec<ListedTransaction>, finding: Finding) -> QuarantineItem {
        let first = transactions.first().map_or("none", |first| &first.signature);
        let id = format!("{}-{first}", finding.reason);
        self.item(id, QuarantineContent::Transactions { transactions }, finding)
    }

    /// A message, by a name that is the same whenever the same message is made.
    pub(crate) fn message(&self, name: String, entry: SendEntry, finding: Finding) -> QuarantineItem {
        let SendEntry { body, attributes, .. } = entry;
        self.item(name, QuarantineContent::Message { body, attributes }, finding)
    }

    /// Whether an item is this program's on this cluster.
    pub(crate) fn has(&self, item: &QuarantineItem) -> bool {
        item.program_id == self.program_id.to_string() && item.genesis_hash == self.genesis_hash
    }
}

/// What a try has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) reason: QuarantineReason,
    pub(crate) detail: String,
    pub(crate) evidence: Vec<Testimony>,
}

impl Testimony {
    /// What somebody answers now.
    pub(crate) fn now(witness: impl fmt::Display, answer: impl fmt::Display) -> Self {
        Self {
            witness: witness.to_string(),
            at: session_clock::now_utc(),
            answer: answer.to_string(),
        }
    }
}

impl QuarantineItem {
    /// Where it is kept: unique in a place that several programs and clusters share.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}/{}", self.program_id, self.genesis_hash, self.id)
    }

    /// The same after another try in vain, which has shown this.
    pub(crate) fn tried_again(mut self, finding: Finding, now: OffsetDateTime) -> Self {
        let Finding {
            reason,
            detail,
            evidence,
        } = finding;
        (self.reason, self.detail, self.evidence) = (reason, detail, evidence);
        self.attempts = self.attempts.saturating_add(1);
        self.next_try = now + reason.pause(self.attempts, session_clock::random());
        self
    }

    /// What the last try has shown.
    pub(crate) fn into_finding(self) -> Finding {
        Finding {
            reason: self.reason,
            detail: self.detail,
            evidence: self.evidence,
        }
    }
}
