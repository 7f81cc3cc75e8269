//! What an RPC node answers, as far as anybody here reads it.
//!
//! Clusters gain error variants and fields faster than services are built anew, so nothing is declared that nobody uses: a
//! failed transaction's error is only ever asked whether it is there.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
};
use serde_json::Value;

/// Whether a transaction did what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fate {
    /// The node does not say.
    #[default]
    Untold,
    Succeeded,
    Failed,
}

/// `null` is no error; anything else is one, whatever it is.
impl<'de> Deserialize<'de> for Fate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let error = Option::<IgnoredAny>::deserialize(deserializer)?;
        Ok(if error.is_some() { Self::Failed } else { Self::Succeeded })
    }
}

/// One entry of `getSignaturesForAddress`.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedTransaction {
    pub(crate) signature: String,
    pub(crate) slot: u64,
    #[serde(default)]
    pub(crate) err: Fate,
}

/// The answer to `getTransaction` in base64.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfirmedTransaction {
    pub(crate) slot: u64,
    /// When its block was made, unix seconds, where the node knows.
    #[serde(default, deserialize_with = "whole_number")]
    pub(crate) block_time: Option<i64>,
    /// The transaction itself; needed only where its logs do not tell everything.
    #[serde(default)]
    pub(crate) transaction: Base64,
    /// The record of its execution, where the node keeps one.
    #[serde(default)]
    pub(crate) meta: Option<Meta>,
}

/// A whole number; anything else is none.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_i64())
}

/// The record of a transaction's execution.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Meta {
    pub(crate) err: Fate,
    pub(crate) log_messages: Option<Vec<String>>,
    pub(crate) inner_instructions: Option<Vec<InnerInstructions>>,
    pub(crate) loaded_addresses: Option<LoadedAddresses>,
}

/// The instructions that one instruction of the transaction called.
#[derive(Debug, Deserialize)]
pub(crate) struct InnerInstructions {
    pub(crate) index: usize,
    pub(crate) instructions: Vec<InnerInstruction>,
}

/// An instruction by positions in the list of the transaction's accounts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InnerInstruction {
    pub(crate) program_id_index: u8,
    pub(crate) accounts: Vec<u8>,
    /// In base58.
    pub(crate) data: String,
    #[serde(default)]
    pub(crate) stack_height: Option<u32>,
}

/// Addresses from lookup tables.
#[derive(Debug, Deserialize)]
pub(crate) struct LoadedAddresses {
    pub(crate) writable: Vec<String>,
    pub(crate) readonly: Vec<String>,
}

/// What a `logsNotification` tells.
#[derive(Debug, Deserialize)]
pub(crate) struct LogsNotification {
    pub(crate) context: Context,
    pub(crate) value: TransactionLogs,
}

/// A transaction in a notification.
#[derive(Debug, Deserialize)]
pub(crate) struct TransactionLogs {
    pub(crate) signature: String,
    #[serde(default)]
    pub(crate) err: Fate,
    #[serde(default)]
    pub(crate) logs: Option<Vec<String>>,
}

/// At which slot a node has answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Context {
    pub(crate) slot: u64,
}

/// What a `slotNotification` tells.
#[derive(Debug, Deserialize)]
pub(crate) struct SlotNotification {
    pub(crate) slot: u64,
}

/// An answer, and at which slot it was given.
#[derive(Debug, Deserialize)]
pub(crate) struct InContext<T> {
    pub(crate) context: Context,
    pub(crate) value: T,
}

/// One of many, which harms none of the others where it cannot be read.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Lenient<T> {
    Readable(T),
    Other(IgnoredAny),
}

/// One entry of `getProgramAccounts`.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyedAccount {
    pub(crate) pubkey: String,
    pub(crate) account: AccountData,
}

/// An account's data in base64.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountData {
    #[serde(default)]
    pub(crate) data: Base64,
}

/// Who an account belongs to.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountOwner {
    pub(crate) owner: String,
}

/// Bytes as nodes write them: `[text, "base64"]`. `None` if they are written in another way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Base64(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Base64Visitor)
    }
}

struct Base64Visitor;

impl<'de> Visitor<'de> for Base64Visitor {
    type Value = Base64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[text, \"base64\"]")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut parts: A) -> Result<Base64, A::Error> {
        let text: Option<String> = parts.next_element()?;
        let encoding: Option<String> = parts.next_element()?;
        while parts.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Base64(text.filter(|_| encoding.as_deref() == Some("base64"))))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<Base64, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Base64(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Base64, E> {
        Ok(Base64(None))
    }

    fn visit_unit<E>(self) -> Result<Base64, E> {
        Ok(Base64(None))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_error_that_nobody_has_heard_of_is_an_error_and_no_more() {
        for err in [
            json!("ErrorOfNextYear"),
            json!({"InstructionError": [0, "VariantOfNextYear"]}),
            json!({"InstructionError": [0, {"Custom": 6000, "detail": [1, 2]}]}),
            json!(17),
            json!({}),
        ] {
            let listed: ListedTransaction = read(json!({"signature": "s", "slot": 1, "err": err, "memo": {"new": 1},
                "blockTime": "later", "confirmationStatus": "alpenglowed"}));
            assert_eq!(listed.err, Fate::Failed, "{err}");
            let meta: Meta = read(json!({"err": err, "fee": 1.5e300, "rewards": "none", "status": {"Err": err}}));
            assert_eq!(meta.err, Fate::Failed, "{err}");
            let heard: LogsNotification = read(json!({"context": {"slot": 5, "apiVersion": 3},
                "value": {"signature": "s", "err": err, "logs": null}}));
            assert_eq!(heard.value.err, Fate::Failed, "{err}");
        }
    }

    #[test]
    fn no_error_and_no_word_about_it_are_two_things() {
        let meta: Meta = read(json!({"err": null}));
        assert_eq!(meta.err, Fate::Succeeded);
        let meta: Meta = read(json!({}));
        assert_eq!(meta.err, Fate::Untold);
    }

    #[test]
    fn what_is_not_there_is_not_there() {
        let bare: ConfirmedTransaction =
            read(json!({"slot": 5, "transaction": ["AA==", "base64"], "meta": null, "version": "next"}));
        assert!(bare.meta.is_none());
        assert_eq!(bare.transaction, Base64(Some("AA==".to_owned())));
        let other: ConfirmedTransaction =
            read(json!({"slot": 5, "transaction": {"signatures": []}, "meta": {"innerInstructions": null}}));
        assert_eq!(other.transaction, Base64(None));
        assert_eq!(other.block_time, None);
        for (block_time, read_as) in [
            (json!(1_790_000_000), Some(1_790_000_000)),
            (json!(null), None),
            (json!("now"), None),
        ] {
            let timed: ConfirmedTransaction = read(json!({"slot": 5, "blockTime": block_time}));
            assert_eq!(timed.block_time, read_as);
        }
        assert!(other.meta.unwrap().inner_instructions.is_none());
    }

    #[test]
    fn an_account_s_rent_epoch_may_be_anything() {
        for rent_epoch in [json!(18_446_744_073_709_552_000.0), json!(null), json!("max")] {
            let keyed: KeyedAccount = read(
                json!({"pubkey": "p", "account": {"data": ["AA==", "base64"], "rentEpoch": rent_epoch,
                "owner": 3, "lamports": -1}}),
            );
            assert_eq!(keyed.account.data, Base64(Some("AA==".to_owned())));
        }
    }
}
