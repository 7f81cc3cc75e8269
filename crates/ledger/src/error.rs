//! What a ledger could not do, with what, and whether it may later.

use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::{
    fate::Fate,
    hold::{HoldId, MEMBERS_MAX},
};

/// The ledger could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No such hold is known, or it was settled so long ago that it is forgotten.
    #[error("there is no hold {id}")]
    UnknownHold {
        /// Its name.
        id: HoldId,
    },
    /// Another hold has the name.
    #[error("a hold with the name {id} is there already, for something else")]
    NameTaken {
        /// The name.
        id: HoldId,
    },
    /// The hold is decided.
    #[error("hold {id} is settled already: {fate:?}")]
    SettledAlready {
        /// Its name.
        id: HoldId,
        /// What became of it.
        fate: Box<Fate>,
    },
    /// A hold has one transaction, and only the chain knows what becomes of it.
    #[error("hold {id} has transaction {signature} already")]
    AlreadySent {
        /// Its name.
        id: HoldId,
        /// The transaction.
        signature: Signature,
    },
    /// A hold without a transaction cannot have been in a block.
    #[error("hold {id} has no transaction that could have landed, failed or expired")]
    NeverSent {
        /// Its name.
        id: HoldId,
    },
    /// Too many accounts, or none.
    #[error("a hold has {members} accounts; it must have 1 to {MEMBERS_MAX}")]
    MemberCount {
        /// How many.
        members: usize,
    },
    /// Each account is created once.
    #[error("account {pda} is in the hold twice")]
    MemberTwice {
        /// The account.
        pda: Pubkey,
    },
    /// The place where the books are kept failed.
    #[error("ledger {place}: {operation} failed: {source}")]
    Storage {
        /// Which place.
        place: String,
        /// What was tried.
        operation: &'static str,
        /// Whether the same may succeed later.
        retryable: bool,
        /// What the place says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LedgerError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage { retryable: true, .. })
    }
}
