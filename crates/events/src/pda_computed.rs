//! `PDAComputedEvent`: the request for one session account, and the only event that the queue carries.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::{base58, bounded};

/// "Create the session account at this address" (IDL event `PDAComputedEvent`).
///
/// The fields are claims until they have been checked: the address must follow from
/// `["session", owner, session_id]` under [`expected_owner`](Self::expected_owner).
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct PdaComputedEvent {
    /// Address at which the session account must be created; all zeroes asks for none.
    #[serde(with = "base58")]
    pub expected_pda: Pubkey,
    /// Bytes of account data, discriminator included.
    pub expected_size: u64,
    /// Program that must own the account.
    #[serde(with = "base58")]
    pub expected_owner: Pubkey,
    /// The session's name: a seed of its address, so at most 32 bytes if it can have an address at all.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// The session's owner: a seed of its address.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    #[serde(with = "base58")]
    pub eval_program: Pubkey,
    /// Program of the shard that the session belongs to.
    #[serde(with = "base58")]
    pub shard_address: Pubkey,
    /// Namespaces that the session may use.
    #[borsh(deserialize_with = "bounded::strings")]
    pub namespaces: Vec<String>,
    /// Slot in which the address was computed.
    pub compute_slot: u64,
}

impl PdaComputedEvent {
    /// False for an optimistic session, which says so by an all-zero address (`docs/contract.md`, "On the wire").
    #[must_use]
    pub fn asks_for_account(&self) -> bool {
        self.expected_pda != Pubkey::default()
    }
}
