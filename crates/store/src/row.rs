//! Between rows and values: times as milliseconds since 1970, records as JSON.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, ToSql, TransactionBehavior, types::FromSql};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::StoreError;

pub(crate) fn ms(at: SystemTime) -> i64 {
    i64::try_from(session_clock::epoch_ms(at)).unwrap_or(i64::MAX)
}

pub(crate) fn time(ms: i64) -> SystemTime {
    session_clock::from_epoch_ms(u64::try_from(ms).unwrap_or(0))
}

pub(crate) fn sql(operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sql { operation, source }
}

pub(crate) fn to_json<T: Serialize>(room: &'static str, key: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Record {
        room,
        key: key.to_owned(),
        source,
    })
}

pub(crate) fn from_json<T: DeserializeOwned>(room: &'static str, key: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Record {
        room,
        key: key.to_owned(),
        source,
    })
}

/// One column of one row, where there is one.
pub(crate) fn one<T: FromSql>(
    connection: &Connection,
    operation: &'static str,
    query: &str,
    parameters: &[&dyn ToSql],
) -> Result<Option<T>, StoreError> {
    connection
        .prepare_cached(query)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)).optional())
        .map_err(sql(operation))
}

/// Runs one statement.
pub(crate) fn execute(
    connection: &Connection,
    operation: &'static str,
    statement: &str,
    parameters: &[&dyn ToSql],
) -> Result<usize, StoreError> {
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute(parameters))
        .map_err(sql(operation))
}

/// Runs several statements, all or nothing.
pub(crate) fn together<T>(
    connection: &mut Connection,
    operation: &'static str,
    statements: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sql(operation))?;
    let value = statements(&transaction)?;
    transaction.commit().map_err(sql(operation))?;
    Ok(value)
}
