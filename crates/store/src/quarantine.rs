//! The quarantine: what could not be read, why, and when it is tried again.

use std::time::SystemTime;

use rusqlite::Row;

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, ms, one, sql, time},
    store::Store,
};

/// What is put into quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its name: a transaction's signature, or an account's address.
    pub id: String,
    /// What it is, as a stable `snake_case` word.
    pub kind: String,
    /// Why it could not be read, as a stable `snake_case` word.
    pub reason: String,
    /// What shows that: for a person.
    pub evidence: String,
    /// When it is worth trying again.
    pub next_try: SystemTime,
    /// Whatever is needed to try again.
    pub payload: String,
}

/// What is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedItem {
    /// What was put there last under its name.
    pub item: Quarantined,
    /// When it was put there first.
    pub first_seen: SystemTime,
    /// How often it was put there.
    pub attempts: u32,
}

const COLUMNS: &str = "id, kind, reason, evidence, first_seen_ms, next_try_ms, attempts, payload";

impl Reader {
    /// What is in quarantine, the longest there first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine(&self, limit: usize) -> Result<Vec<QuarantinedItem>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM quarantine ORDER BY first_seen_ms, id LIMIT ?1");
        self.quarantined(query, vec![count(limit)]).await
    }

    /// What is to be tried again by now, the longest due first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine_due(&self, now: SystemTime, limit: usize) -> Result<Vec<QuarantinedItem>, StoreError> {
        let query =
            format!("SELECT {COLUMNS} FROM quarantine WHERE next_try_ms <= ?2 ORDER BY next_try_ms, id LIMIT ?1");
        self.quarantined(query, vec![count(limit), ms(now)]).await
    }

    /// How much is in quarantine.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine_depth(&self) -> Result<u64, StoreError> {
        let depth = self
            .worker()
            .run(|connection| {
                one::<i64>(
                    connection,
                    "count the quarantine",
                    "SELECT count(*) FROM quarantine",
                    &[],
                )
            })
            .await?;
        Ok(depth.and_then(|depth| u64::try_from(depth).ok()).unwrap_or(0))
    }

    async fn quarantined(&self, query: String, parameters: Vec<i64>) -> Result<Vec<QuarantinedItem>, StoreError> {
        self.worker()
            .run(move |connection| {
                let mut statement = connection.prepare_cached(&query).map_err(sql("read the quarantine"))?;
                let rows = statement.query_map(rusqlite::params_from_iter(parameters), item);
                rows.and_then(Iterator::collect).map_err(sql("read the quarantine"))
            })
            .await
    }
}

impl Store {
    /// Puts something into quarantine, or counts another attempt at what is there under its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_in_quarantine(&self, item: Quarantined, now: SystemTime) -> Result<(), StoreError> {
        let statement = "INSERT INTO quarantine
            (id, kind, reason, evidence, first_seen_ms, next_try_ms, attempts, payload)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7)
            ON CONFLICT (id) DO UPDATE SET
                kind = ?2, reason = ?3, evidence = ?4, next_try_ms = ?6, attempts = attempts + 1, payload = ?7";
        self.worker()
            .run(move |connection| {
                let Quarantined {
                    id,
                    kind,
                    reason,
                    evidence,
                    next_try,
                    payload,
                } = item;
                let (first_seen, next_try) = (ms(now), ms(next_try));
                execute(
                    connection,
                    "put something into quarantine",
                    statement,
                    &[&id, &kind, &reason, &evidence, &first_seen, &next_try, &payload],
                )
                .map(drop)
            })
            .await
    }

    /// Takes something out of quarantine: it was read, or a person has decided. Says whether it was there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_from_quarantine(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let operation = "take something from quarantine";
        let statement = "DELETE FROM quarantine WHERE id = ?1";
        let taken = self
            .worker()
            .run(move |connection| execute(connection, operation, statement, &[&id]))
            .await?;
        Ok(taken > 0)
    }
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn item(row: &Row<'_>) -> rusqlite::Result<QuarantinedItem> {
    Ok(QuarantinedItem {
        item: Quarantined {
            id: row.get(0)?,
            kind: row.get(1)?,
            reason: row.get(2)?,
            evidence: row.get(3)?,
            next_try: time(row.get(5)?),
            payload: row.get(7)?,
        },
        first_seen: time(row.get(4)?),
        attempts: row.get(6)?,
    })
}
