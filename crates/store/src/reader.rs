//! Reading the file, beside whoever owns it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::{
    error::StoreError,
    row::sql,
    store::{BUSY_TIMEOUT, FILE},
    worker::Worker,
};

/// The store as anybody may see it. Writes nothing.
#[derive(Clone, Debug)]
pub struct Reader {
    worker: Worker,
}

impl Reader {
    /// Opens the store in a folder for reading. Makes nothing.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] where there is none.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let opened = tokio::task::spawn_blocking(move || {
            if !path.is_file() {
                return Err(StoreError::NoStore { path });
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags).map_err(sql("open its file for reading"))?;
            connection.busy_timeout(BUSY_TIMEOUT).map_err(sql("set its patience"))?;
            Ok(connection)
        });
        let connection = opened.await.map_err(|_| StoreError::Closed)??;
        // The thread ends with the last sender, and has nothing that must be waited for.
        let (worker, _thread) = Worker::start(connection, None);
        Ok(Self::on(worker))
    }

    pub(crate) fn on(worker: Worker) -> Self {
        Self { worker }
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }
}
