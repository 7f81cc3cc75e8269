//! The quarantine: what could not be read or sent, each a text that only the listener reads.

use std::time::SystemTime;

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, ms, one, sql},
    store::Store,
};

const READ: &str = "read the quarantine";

impl Reader {
    /// Everything in quarantine, each with its key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.worker()
            .run(|connection| {
                let mut statement = connection
                    .prepare_cached("SELECT key, record FROM quarantine ORDER BY key")
                    .map_err(sql(READ))?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
                rows.and_then(Iterator::collect).map_err(sql(READ))
            })
            .await
    }

    /// What is in quarantine under a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantined(&self, key: &str) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        let query = "SELECT record FROM quarantine WHERE key = ?1";
        self.worker()
            .run(move |connection| one(connection, READ, query, &[&key]))
            .await
    }
}

impl Store {
    /// Puts something into quarantine, over what is there under its key.
    ///
    /// # Errors
    /// [`StoreError`]; what was there is still there.
    pub async fn put_in_quarantine(&self, key: &str, record: String, now: SystemTime) -> Result<(), StoreError> {
        let key = key.to_owned();
        let operation = "put something into quarantine";
        let statement = "INSERT INTO quarantine (key, record, saved_at_ms) VALUES (?1, ?2, ?3)
            ON CONFLICT (key) DO UPDATE SET record = ?2, saved_at_ms = ?3";
        self.worker()
            .run(move |connection| execute(connection, operation, statement, &[&key, &record, &ms(now)]).map(drop))
            .await
    }

    /// Takes something out of quarantine: it was read, or a person has decided. Says whether it was there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_from_quarantine(&self, key: &str) -> Result<bool, StoreError> {
        let key = key.to_owned();
        let operation = "take something from quarantine";
        let statement = "DELETE FROM quarantine WHERE key = ?1";
        let taken = self
            .worker()
            .run(move |connection| execute(connection, operation, statement, &[&key]))
            .await?;
        Ok(taken > 0)
    }
}
