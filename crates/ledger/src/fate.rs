//! What became of a transaction, and what that cost.

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::text;

/// A decided fate. While it is unknown the hold stays as it is, until somebody finds out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is in a block and succeeded: its accounts exist.
    Landed {
        /// The block's slot.
        slot: u64,
        /// What it spent, where that is known; otherwise all that was held.
        spent: Option<Spending>,
    },
    /// It is in a block and failed: only its fees are gone.
    Failed {
        /// The block's slot.
        slot: u64,
        /// Lamports of all its fees, where they are known; otherwise those that were held.
        fee_lamports: Option<u64>,
    },
    /// It is in no block, and its last valid block height is past.
    Expired,
    /// It was signed, and no node can have it in a block: the simulation refused it, or nobody was reached.
    Refused,
    /// Nothing was ever sent: whoever held the money stopped before a signature was attached.
    Abandoned,
}

/// What a landed transaction spent, read from its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Lamports of all its fees.
    pub fee_lamports: u64,
    /// Lamports that went into each address.
    pub rents: Vec<Rent>,
}

/// Lamports that went into an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rent {
    /// The account.
    #[serde(with = "text")]
    pub pda: Pubkey,
    /// The lamports.
    pub lamports: u64,
}

/// What a settle did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// This call put the fate in the books.
    Now {
        /// Lamports that are gone from the wallet.
        spent_lamports: u64,
    },
    /// Somebody else had done so before, with this fate; nothing was changed.
    Before(Fate),
}
