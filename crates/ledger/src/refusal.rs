//! Why no money was set aside.

use std::time::SystemTime;

use solana_pubkey::Pubkey;
use solana_signature::Signature;
use thiserror::Error;

use crate::hold::HoldId;

/// The answer to a request for a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing may be signed unless the money is held"]
pub enum HoldAnswer {
    /// The money is held.
    Held {
        /// The newest slot in which one of the accounts was created before, where one was. A transaction with a blockhash
        /// that is not younger could be the very one that created it.
        created_before: Option<u64>,
    },
    /// It is not, and this stands against it: all of it, so that whoever asks can leave out what is to blame.
    Refused(Vec<Refusal>),
}

/// What stands against a hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The budget of all requests together.
    #[error("{requested} lamports and {spent} spent or held within the hour would be over the budget of {limit}")]
    Budget {
        /// Lamports spent in the last hour, or held.
        spent: u64,
        /// Lamports that were asked for.
        requested: u64,
        /// The budget.
        limit: u64,
        /// From when on they fit; `None`: never, they are more than the budget.
        room_at: Option<SystemTime>,
    },
    /// The budget of one requester.
    #[error(
        "{requested} lamports and {spent} spent or held for requester {requester} within the hour would be over the budget of {limit}"
    )]
    RequesterBudget {
        /// The requester.
        requester: Pubkey,
        /// Lamports spent for it in the last hour, or held.
        spent: u64,
        /// Lamports that its members need.
        requested: u64,
        /// The budget.
        limit: u64,
        /// From when on they fit; `None`: never, they are more than the budget.
        room_at: Option<SystemTime>,
    },
    /// The wallet would go below what it keeps.
    #[error(
        "{requested} lamports would leave wallet {wallet} less than its reserve of {reserve}: {available} are there"
    )]
    WalletReserve {
        /// The wallet.
        wallet: Pubkey,
        /// Lamports in the wallet that nobody holds.
        available: u64,
        /// Lamports that were asked for.
        requested: u64,
        /// The reserve.
        reserve: u64,
    },
    /// The wallet's balance was read before transactions that the ledger remembers no more.
    #[error("the balance of wallet {wallet} was read at slot {slot}, too long before slot {newest}: read it again")]
    StaleReading {
        /// The wallet.
        wallet: Pubkey,
        /// The slot of the reading.
        slot: u64,
        /// The slot of the newest transaction that the ledger knows of.
        newest: u64,
    },
    /// Another transaction that may create the account is out.
    #[error("hold {hold} is for account {pda} as well, and its transaction is not decided")]
    Busy {
        /// The account.
        pda: Pubkey,
        /// The other hold.
        hold: HoldId,
    },
    /// The account was created for this event, or for a younger one.
    #[error(
        "account {pda} was created by transaction {signature} in slot {slot} and is gone; only a new request creates it again"
    )]
    CreatedBefore {
        /// The account.
        pda: Pubkey,
        /// The transaction that created it.
        signature: Signature,
        /// Its slot.
        slot: u64,
    },
}
