//! The records of the books, and those of them that a step touches.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::{
    account::{Account, AccountKey},
    fate::Fate,
    hold::{Hold, HoldId},
    text,
    wallet::WalletAccount,
};

/// What the books know of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRecord {
    /// The open hold whose transaction may create it.
    #[serde(default, with = "optional_id")]
    pub open: Option<HoldId>,
    /// How it was created last.
    pub creation: Option<Creation>,
}

/// An account that a transaction of this service created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// The transaction.
    #[serde(with = "text")]
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
    /// Lamports that went into the account.
    pub rent_lamports: u64,
    /// Who answers for them.
    #[serde(with = "text")]
    pub requester: Pubkey,
    /// Whether the account is gone again.
    pub closed: bool,
}

/// A hold whose fate is in the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledHold {
    /// The hold as it was.
    pub hold: Hold,
    /// What became of its transaction.
    pub fate: Fate,
    /// When that was put down, in milliseconds since 1970.
    pub settled_at_ms: u64,
}

/// Where a hold stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// There is none of that name.
    Absent,
    /// Its transaction is not decided.
    Open(Hold),
    /// It is.
    Settled(Box<SettledHold>),
}

/// The records that a step touches; one that a ledger does not have yet is there by its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Holds by their names.
    pub holds: BTreeMap<HoldId, HoldState>,
    /// Accounts of the total and of requesters.
    pub accounts: BTreeMap<AccountKey, Account>,
    /// Accounts of wallets.
    pub wallets: BTreeMap<Pubkey, WalletAccount>,
    /// Addresses.
    pub addresses: BTreeMap<Pubkey, AddressRecord>,
}

/// Records that a sheet has to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SheetKeys {
    /// Holds.
    pub holds: BTreeSet<HoldId>,
    /// Accounts.
    pub accounts: BTreeSet<AccountKey>,
    /// Wallets.
    pub wallets: BTreeSet<Pubkey>,
    /// Addresses.
    pub addresses: BTreeSet<Pubkey>,
}

impl SheetKeys {
    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty() && self.accounts.is_empty() && self.wallets.is_empty() && self.addresses.is_empty()
    }
}

mod optional_id {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::hold::HoldId;

    #[expect(clippy::ref_option, reason = "serde passes the field by reference")]
    pub(super) fn serialize<S: Serializer>(id: &Option<HoldId>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HoldId>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
