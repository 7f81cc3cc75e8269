//! What was found served: records that only the listener reads.

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, one},
    store::Store,
};

impl Reader {
    /// The record of a name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn served(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        let query = "SELECT record FROM served WHERE name = ?1";
        self.worker()
            .run(move |connection| one(connection, "read what was found served", query, &[&name]))
            .await
    }
}

impl Store {
    /// Keeps a record over the one before.
    ///
    /// # Errors
    /// [`StoreError`]; the one before is still there.
    pub async fn keep_served(&self, name: &str, record: Vec<u8>) -> Result<(), StoreError> {
        let name = name.to_owned();
        let operation = "keep what was found served";
        let statement =
            "INSERT INTO served (name, record) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET record = ?2";
        self.worker()
            .run(move |connection| execute(connection, operation, statement, &[&name, &record]).map(drop))
            .await
    }
}
