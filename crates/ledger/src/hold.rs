//! The money of one signed transaction.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use uuid::Uuid;

use crate::text;

/// The most members of one hold: with an account and an address for each it still fits a database's transaction of 100
/// records.
pub const MEMBERS_MAX: usize = 46;

/// Names a hold, for ever. Made by whoever asks, so that a question that was answered into the void can be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldId(Uuid);

/// A text that names no hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no hold's id: it must be a UUID")]
pub struct BadHoldId {
    /// The text.
    pub text: String,
}

impl HoldId {
    /// A new name, from 128 random bits.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        Self(uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid())
    }

    /// A new name, from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(session_clock::uuid())
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for HoldId {
    type Err = BadHoldId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| BadHoldId { text: text.to_owned() })
    }
}

/// One account that a transaction creates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account's address.
    #[serde(with = "text")]
    pub pda: Pubkey,
    /// Who has to answer for the spending: the request's fee payer where that is known, else the session's owner.
    #[serde(with = "text")]
    pub requester: Pubkey,
    /// Lamports that the account needs.
    pub rent_lamports: u64,
    /// The slot of the event that asks for it, where that is known. An event that is not younger than a creation cannot
    /// ask for another; one without a slot never can.
    pub asked_at_slot: Option<u64>,
}

/// What one transaction can cost at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    /// The hold's name.
    pub id: HoldId,
    /// The wallet that pays.
    pub wallet: Pubkey,
    /// The accounts that it creates, each address once.
    pub members: Vec<Member>,
    /// Lamports of all its fees: signatures and priority.
    pub fee_lamports: u64,
    /// What the wallet has and must keep, where the wallet is to be checked.
    pub wallet_reading: Option<WalletReading>,
}

/// A wallet's balance as it was read from the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletReading {
    /// Lamports.
    pub balance_lamports: u64,
    /// The slot of the reading.
    pub slot: u64,
    /// Lamports that the wallet keeps.
    pub reserve_lamports: u64,
}

/// Money that is set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its name.
    #[serde(with = "text")]
    pub id: HoldId,
    /// The wallet that pays.
    #[serde(with = "text")]
    pub wallet: Pubkey,
    /// The accounts that its transaction creates.
    pub members: Vec<Member>,
    /// Lamports of all fees of its transaction.
    pub fee_lamports: u64,
    /// When it was taken, in milliseconds since 1970.
    pub held_at_ms: u64,
    /// The transaction, once it is signed. Before that, nothing was sent.
    pub sent: Option<SentTransaction>,
}

/// How to find out what became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentTransaction {
    /// Its signature.
    #[serde(with = "text")]
    pub signature: Signature,
    /// The height of the last block that may contain it.
    pub last_valid_block_height: u64,
}

impl HoldRequest {
    /// Lamports of everything.
    #[must_use]
    pub fn lamports(&self) -> u64 {
        total(&self.members, self.fee_lamports)
    }
}

impl Hold {
    /// Lamports of everything.
    #[must_use]
    pub fn lamports(&self) -> u64 {
        total(&self.members, self.fee_lamports)
    }

    /// How long it has been held.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        Duration::from_millis(session_clock::epoch_ms(now).saturating_sub(self.held_at_ms))
    }

    pub(crate) fn new(request: &HoldRequest, now: SystemTime) -> Self {
        Self {
            id: request.id,
            wallet: request.wallet,
            members: request.members.clone(),
            fee_lamports: request.fee_lamports,
            held_at_ms: session_clock::epoch_ms(now),
            sent: None,
        }
    }

    pub(crate) fn answers(&self, request: &HoldRequest) -> bool {
        self.wallet == request.wallet && self.members == request.members && self.fee_lamports == request.fee_lamports
    }
}

/// Each member's part of the fees: the same for all, and what is left over to the first.
pub fn fee_shares(members: usize, fee_lamports: u64) -> impl Iterator<Item = u64> {
    let count = u64::try_from(members).unwrap_or(u64::MAX).max(1);
    let (share, rest) = (fee_lamports / count, fee_lamports % count);
    std::iter::once(share + rest)
        .chain(std::iter::repeat(share))
        .take(members)
}

fn total(members: &[Member], fee_lamports: u64) -> u64 {
    members
        .iter()
        .fold(fee_lamports, |sum, member| sum.saturating_add(member.rent_lamports))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_are_the_whole_fee(members in 1..40_usize, fee in 0..1_000_000_u64) {
            prop_assert_eq!(fee_shares(members, fee).count(), members);
            prop_assert_eq!(fee_shares(members, fee).sum::<u64>(), fee);
        }
    }

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        let id = HoldId::from_random(7);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("hold 7".parse::<HoldId>().is_err());
    }
}
