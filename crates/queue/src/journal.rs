//! Dead letters on disk: one JSON file a message, so that a restart loses none and a person can read them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::queue::MessageId;

const ENDING: &str = "json";
const UNFINISHED_ENDING: &str = "tmp";

/// A folder of dead letters.
#[derive(Debug, Clone)]
pub struct DeadLetterJournal {
    folder: PathBuf,
}

/// The journal's disk failed.
#[derive(Debug, thiserror::Error)]
#[error("dead letters on disk: cannot {action} {path}: {source}")]
pub struct JournalError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A file in the folder that is no dead letter. It is left where it is.
#[derive(Debug, thiserror::Error)]
#[error("{path} is no dead letter: {reason}; it is kept for you to look at")]
pub struct JournalFault {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub reason: String,
}

/// A message as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Its id.
    pub message_id: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at_ms: u64,
    /// How often it was received.
    pub receive_count: u32,
    /// Its attributes, the reason's among them.
    pub attributes: BTreeMap<String, String>,
    /// Its text.
    pub body: String,
}

impl Letter {
    pub(crate) fn sent_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.sent_at_ms)
    }
}

pub(crate) fn epoch_ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn failed<'path>(action: &'static str, path: &'path Path) -> impl FnOnce(io::Error) -> JournalError + 'path {
    move |source| JournalError {
        action,
        path: path.to_owned(),
        source,
    }
}

impl DeadLetterJournal {
    /// Opens a folder, which is created where it is missing.
    ///
    /// # Errors
    /// [`JournalError`] where the folder cannot be made.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
        Ok(Self { folder })
    }

    /// Where the letters are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a letter so that it survives a crash at any instant: to another name first, then renamed.
    pub(crate) fn write(&self, letter: &Letter) -> Result<(), JournalError> {
        let path = self.path(&letter.message_id);
        // A name of its own: a write whose caller has gone may still be under way when the same letter is written again.
        let unfinished = path.with_extension(format!("{}.{UNFINISHED_ENDING}", Uuid::new_v4()));
        let text = serde_json::to_vec_pretty(letter)
            .map_err(io::Error::other)
            .map_err(failed("encode", &path))?;
        let mut file = File::create(&unfinished).map_err(failed("create", &unfinished))?;
        file.write_all(&text).map_err(failed("write", &unfinished))?;
        file.sync_all().map_err(failed("write", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(failed("rename", &unfinished))?;
        self.sync_folder()
    }

    /// Removes a letter. One that is gone already is no error.
    pub(crate) fn remove(&self, message_id: &MessageId) -> Result<(), JournalError> {
        let path = self.path(message_id.as_str());
        match fs::remove_file(&path) {
            Ok(()) => self.sync_folder(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    /// Reads all letters, the oldest first, and says which files are none. Files that a crash left unfinished are no
    /// letters: whoever wrote them still has the message.
    ///
    /// # Errors
    /// [`JournalError`] where the folder or a file cannot be read.
    pub fn read_all(&self) -> Result<(Vec<Letter>, Vec<JournalFault>), JournalError> {
        let mut letters = Vec::new();
        let mut faults = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("read", &self.folder))? {
            let path = entry.map_err(failed("read", &self.folder))?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            let text = fs::read(&path).map_err(failed("read", &path))?;
            match serde_json::from_slice(&text) {
                Ok(letter) => letters.push(letter),
                Err(error) => faults.push(JournalFault {
                    path,
                    reason: error.to_string(),
                }),
            }
        }
        letters.sort_by_key(|letter: &Letter| letter.sent_at_ms);
        Ok((letters, faults))
    }

    fn path(&self, message_id: &str) -> PathBuf {
        self.folder.join(message_id).with_extension(ENDING)
    }

    /// A rename is on disk once its folder is.
    fn sync_folder(&self) -> Result<(), JournalError> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("write", &self.folder))
    }
}
