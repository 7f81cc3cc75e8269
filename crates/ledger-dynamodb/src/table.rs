//! The table: reads that see every write before them, and writes of which all or none happen.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, KeysAndAttributes, TransactWriteItem},
};
use session_ledger::LedgerError;

use crate::{
    error::{call_failed, failed},
    item::{Item, Key, PK},
};

/// Keys that one `BatchGetItem` takes (AWS, "Service, account, and table quotas in Amazon DynamoDB").
const KEYS_MAX: usize = 100;
/// Answers with keys left over that are followed by another question.
const LEFT_OVER_MAX: u32 = 8;

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// What became of a write.
pub(crate) enum Written {
    Yes,
    /// Somebody else changed an item meanwhile; nothing was written.
    Overtaken,
}

impl Table {
    /// The items of these keys that exist.
    pub(crate) async fn get(&self, keys: Vec<Key>) -> Result<BTreeMap<Key, Item>, LedgerError> {
        const OPERATION: &str = "BatchGetItem";
        let mut found = BTreeMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            let mut wanted = Some(self.wanted(keys)?);
            let mut left_over = 0;
            while let Some(keys) = wanted.take() {
                let call = self.client.batch_get_item().request_items(&self.name, keys);
                let output = call
                    .send()
                    .await
                    .map_err(|error| call_failed(&self.name, OPERATION, &error))?;
                let items = output
                    .responses
                    .unwrap_or_default()
                    .remove(&self.name)
                    .unwrap_or_default();
                found.extend(items.into_iter().filter_map(|item| Some((Key::of(&item)?, item))));
                wanted = output.unprocessed_keys.unwrap_or_default().remove(&self.name);
                left_over += 1;
                if left_over > LEFT_OVER_MAX {
                    return Err(failed(
                        &self.name,
                        OPERATION,
                        true,
                        "keys were left over again and again".into(),
                    ));
                }
            }
        }
        Ok(found)
    }

    fn wanted(&self, keys: &[Key]) -> Result<KeysAndAttributes, LedgerError> {
        KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(keys.iter().map(Key::attributes).collect()))
            .build()
            .map_err(|error| failed(&self.name, "BatchGetItem", false, error.into()))
    }

    /// All items of a partition.
    pub(crate) async fn partition(&self, pk: &str) -> Result<Vec<Item>, LedgerError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| call_failed(&self.name, "Query", &error))?);
        }
        Ok(items)
    }

    /// Writes all, if the condition of each holds. The token makes a write whose answer was lost one that can be asked
    /// for again.
    pub(crate) async fn write(&self, writes: Vec<TransactWriteItem>, token: &str) -> Result<Written, LedgerError> {
        let call = self
            .client
            .transact_write_items()
            .client_request_token(token)
            .set_transact_items(Some(writes));
        match call.send().await {
            Ok(_) => Ok(Written::Yes),
            Err(SdkError::ServiceError(service)) if overtaken(service.err()) => Ok(Written::Overtaken),
            Err(error) => Err(call_failed(&self.name, "TransactWriteItems", &error)),
        }
    }
}

/// Whether a write failed because somebody else wrote, and for no other reason.
fn overtaken(error: &TransactWriteItemsError) -> bool {
    const BY_OTHERS: [&str; 2] = ["ConditionalCheckFailed", "TransactionConflict"];
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        return false;
    };
    let mut codes = canceled
        .cancellation_reasons()
        .iter()
        .filter_map(|reason| reason.code());
    let all: Vec<&str> = codes.by_ref().filter(|code| *code != "None").collect();
    !all.is_empty() && all.iter().all(|code| BY_OTHERS.contains(code))
}
