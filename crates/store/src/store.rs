//! Opening the file: as its owner, who may write.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    error::StoreError,
    owner::{Ownership, failed},
    reader::Reader,
    row::sql,
    schema::MIGRATIONS,
    worker::Worker,
};

/// The store's file, in the state folder.
pub const FILE: &str = "session-builder.sqlite";

/// How long a statement waits for a reader that checkpoints or a backup that copies.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The store as its owner has it. It reads as well.
#[derive(Clone, Debug)]
pub struct Store {
    reader: Reader,
    path: Arc<PathBuf>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Store {
    /// Takes ownership of the store in a folder, which is made where it is missing; checks the file and brings its
    /// layout up to date.
    ///
    /// # Errors
    /// [`StoreError`]: another process owns it, or the file cannot be used.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        let opened = tokio::task::spawn_blocking(move || open(&folder)).await;
        let (connection, ownership, path) = opened.map_err(|_| StoreError::Closed)??;
        let (worker, thread) = Worker::start(connection, Some(ownership));
        let store = Self {
            reader: Reader::on(worker),
            path: Arc::new(path),
            thread: Arc::new(Mutex::new(Some(thread))),
        };
        store.unmark_redriven().await?;
        Ok(store)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn worker(&self) -> &Worker {
        self.reader.worker()
    }

    /// Waits until all that was begun is on disk and the file is given back. Other clones of the store keep it open.
    pub async fn close(self) {
        let thread = Arc::clone(&self.thread);
        drop(self);
        let Some(thread) = Arc::into_inner(thread) else { return };
        let thread = thread.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread {
            // A panic on the thread was answered to whoever asked for the job.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn open(folder: &Path) -> Result<(Connection, Ownership, PathBuf), StoreError> {
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let ownership = Ownership::take(folder)?;
    let path = folder.join(FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(sql("open its file"))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sql("set its patience"))?;
    check(&connection, &path)?;
    // A commit has to survive a power cut, which write-ahead logging alone does not promise.
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
        .map_err(sql("set its journal"))?;
    MIGRATIONS
        .to_latest(&mut connection)
        .map_err(|source| StoreError::Layout {
            path: path.clone(),
            source,
        })?;
    Ok((connection, ownership, path))
}

/// Reads the whole file once: what is damaged has to show at the start, not in the middle of the night.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let damaged = |reason: String| StoreError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match said {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(damaged(answer)),
        Err(error) => Err(damaged(error.to_string())),
    }
}
