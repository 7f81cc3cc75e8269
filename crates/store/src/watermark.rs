//! Watermarks: how far a listener's events are all queued, each a text that only the listener reads.

use std::time::SystemTime;

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, ms, one},
    store::Store,
};

const SAVE: &str = "save a watermark";

impl Reader {
    /// The watermark of a name, as it was saved.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn watermark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        let query = "SELECT record FROM watermarks WHERE name = ?1";
        self.worker()
            .run(move |connection| one(connection, "read a watermark", query, &[&name]))
            .await
    }
}

impl Store {
    /// Saves a watermark over the one before.
    ///
    /// # Errors
    /// [`StoreError`]; the one before is still there.
    pub async fn save_watermark(&self, name: &str, record: String, now: SystemTime) -> Result<(), StoreError> {
        let name = name.to_owned();
        let statement = "INSERT INTO watermarks (name, record, saved_at_ms) VALUES (?1, ?2, ?3)
            ON CONFLICT (name) DO UPDATE SET record = ?2, saved_at_ms = ?3";
        self.worker()
            .run(move |connection| execute(connection, SAVE, statement, &[&name, &record, &ms(now)]).map(drop))
            .await
    }

    /// Forgets a watermark, whether or not there is one.
    ///
    /// # Errors
    /// [`StoreError`]; it is still there.
    pub async fn remove_watermark(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        let statement = "DELETE FROM watermarks WHERE name = ?1";
        self.worker()
            .run(move |connection| execute(connection, "forget a watermark", statement, &[&name]).map(drop))
            .await
    }
}
