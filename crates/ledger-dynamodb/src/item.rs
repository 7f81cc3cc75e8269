//! Records as items: a key of two parts, JSON, and the version that a write is conditioned on.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};
use session_ledger::{AccountKey, HoldId};
use solana_pubkey::Pubkey;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
pub(crate) const RECORD: &str = "record";
pub(crate) const VERSION: &str = "version";
/// When a hold was taken, in milliseconds since 1970.
pub(crate) const EXPIRES_AT: &str = "expires_at";

pub(crate) const OPEN: &str = "open";
pub(crate) const SETTLED: &str = "settled";
pub(crate) const ACCOUNT: &str = "account";
const WALLET: &str = "wallet";
const ADDRESS: &str = "address";
const TOTAL: &str = "total";

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// An item's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: &str, sk: String) -> Self {
        Self { pk: pk.to_owned(), sk }
    }

    pub(crate) fn open(id: HoldId) -> Self {
        Self::new(OPEN, id.to_string())
    }

    pub(crate) fn settled(id: HoldId) -> Self {
        Self::new(SETTLED, id.to_string())
    }

    pub(crate) fn account(key: AccountKey) -> Self {
        match key {
            AccountKey::Total => Self::new(ACCOUNT, TOTAL.to_owned()),
            AccountKey::Requester(requester) => Self::new(ACCOUNT, requester.to_string()),
        }
    }

    pub(crate) fn wallet(wallet: &Pubkey) -> Self {
        Self::new(WALLET, wallet.to_string())
    }

    /// Each address has a partition of its own: there are many.
    pub(crate) fn address(pda: &Pubkey) -> Self {
        Self::new(&format!("{ADDRESS}#{pda}"), ADDRESS.to_owned())
    }

    pub(crate) fn attributes(&self) -> Item {
        [(PK, &self.pk), (SK, &self.sk)]
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.clone())))
            .into()
    }

    pub(crate) fn of(item: &Item) -> Option<Self> {
        let text = |name| item.get(name)?.as_s().ok().cloned();
        Some(Self {
            pk: text(PK)?,
            sk: text(SK)?,
        })
    }
}

/// Whose account an item of the partition [`ACCOUNT`] is.
pub(crate) fn account_of(sk: &str) -> Option<AccountKey> {
    if sk == TOTAL {
        return Some(AccountKey::Total);
    }
    sk.parse().ok().map(AccountKey::Requester)
}

/// An item that is none of this release's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadItem {
    #[error("item {pk} {sk} has no {attribute}, or one of another type")]
    Attribute {
        pk: String,
        sk: String,
        attribute: &'static str,
    },
    #[error("the record of item {pk} {sk} cannot be read: {source}")]
    Record {
        pk: String,
        sk: String,
        source: serde_json::Error,
    },
}

pub(crate) fn record_of<T: DeserializeOwned>(item: &Item) -> Result<T, BadItem> {
    let text = item.get(RECORD).and_then(|record| record.as_s().ok());
    let text = text.ok_or_else(|| bad(item, RECORD))?;
    serde_json::from_str(text).map_err(|source| {
        let Key { pk, sk } = key_or_empty(item);
        BadItem::Record { pk, sk, source }
    })
}

pub(crate) fn version_of(item: &Item) -> Result<u64, BadItem> {
    let number = item.get(VERSION).and_then(|version| version.as_n().ok());
    number
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| bad(item, VERSION))
}

pub(crate) fn item_of<T: Serialize>(key: &Key, version: u64, record: &T) -> Result<Item, serde_json::Error> {
    let mut item = key.attributes();
    item.insert(RECORD.to_owned(), AttributeValue::S(serde_json::to_string(record)?));
    item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));
    Ok(item)
}

fn bad(item: &Item, attribute: &'static str) -> BadItem {
    let Key { pk, sk } = key_or_empty(item);
    BadItem::Attribute { pk, sk, attribute }
}

fn key_or_empty(item: &Item) -> Key {
    Key::of(item).unwrap_or_else(|| Key::new("", String::new()))
}
