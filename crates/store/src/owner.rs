//! One owner at a time: an advisory lock on a file that says whose it is. The system gives it back when the owner ends,
//! however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use crate::error::StoreError;

/// Beside the store.
const FILE: &str = "session-builder.lock";

/// The right to write, given back when dropped.
#[derive(Debug)]
pub(crate) struct Ownership {
    _lock: File,
}

impl Ownership {
    /// # Errors
    /// [`StoreError::Owned`] where another process has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = owner_of(&mut file);
                return Err(StoreError::Owned { path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        say(&mut file).map_err(failed("write", &path))?;
        Ok(Self { _lock: file })
    }
}

/// Whether somebody owns the store in a folder, and his process id where it can be read.
#[must_use]
pub fn owner(folder: &Path) -> Option<Option<u32>> {
    let mut file = File::open(folder.join(FILE)).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Some(owner_of(&mut file)),
        // Given back as it is closed.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn say(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn owner_of(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path: PathBuf = path.to_owned();
    move |source| StoreError::File { action, path, source }
}
