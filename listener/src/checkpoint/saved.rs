//! The saved watermark: one JSON text per queue, program and cluster.
//!
//! Texts are replaced atomically: a file by renaming, an S3 object by a put on the condition that nobody else has
//! replaced it since, a record by its store. A watermark never goes back: it is compared with what is saved before each
//! put, and of two listeners' watermarks the one that is further ahead stays, because both are true. Where none is saved
//! yet, the first to save one decides where listening begins, for all.

use object_store::{PutMode, UpdateVersion, path::Path};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

use crate::checkpoint::{error::WatermarkError, place::Place, watermark::Mark};

/// The version that this code writes, and the only one that it reads.
const VERSION: u32 = 1;
/// How often a save is tried again when somebody else has saved in between.
const CONFLICTS_MAX: u32 = 5;

/// Who moves a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SavedBy {
    /// A listener: all before it is settled.
    Listener,
    /// An operator, who says so.
    Operator,
}

/// What has come of a put on a condition.
#[derive(Debug, PartialEq, Eq)]
enum Put {
    Done,
    /// Somebody else has saved since.
    Overtaken,
}

/// One program's watermark on one cluster.
#[derive(Debug)]
pub struct SavedWatermark {
    place: Place,
    path: Path,
    /// Where it is, for whoever asks.
    location: String,
    /// Where it was kept by an earlier version of this service.
    before: Option<Path>,
    program_id: String,
    genesis_hash: String,
    saved: Saved,
    /// Of what was last read.
    provenance: Option<Provenance>,
}

/// How a watermark came to be where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provenance {
    /// When it was saved.
    pub at: OffsetDateTime,
    /// By an operator, rather than by a listener that had everything before it settled.
    pub by_hand: bool,
}

/// What is known to be saved.
#[derive(Debug, Clone)]
enum Saved {
    /// Nothing is known: it is read before the next put.
    Unknown,
    /// There was no object, and it goes on from this mark of the one before, if there was one.
    Absent(Option<Mark>),
    /// The object as it was last read or written.
    Present(Mark, UpdateVersion),
}

impl Saved {
    fn mark(&self) -> Option<Mark> {
        match self {
            Self::Unknown => None,
            Self::Absent(before) => *before,
            Self::Present(mark, _) => Some(*mark),
        }
    }
}

/// The JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    program_id: String,
    genesis_hash: String,
    /// The last slot of which everything is settled.
    slot: u64,
    /// The newest settled transaction, if there was any.
    signature: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// An operator chose it: nobody says that all before it is settled.
    #[serde(default)]
    set_by_hand: bool,
}

impl SavedWatermark {
    /// One that nobody has read yet.
    pub(super) fn unread(place: Place, path: Path, location: String, program_id: &Pubkey, genesis_hash: &str) -> Self {
        Self {
            place,
            path,
            location,
            before: None,
            program_id: program_id.to_string(),
            genesis_hash: genesis_hash.to_owned(),
            saved: Saved::Unknown,
            provenance: None,
        }
    }

    /// It goes on from what an earlier version of this service kept there.
    pub(super) fn going_on_from(self, before: Path) -> Self {
        Self {
            before: Some(before),
            ..self
        }
    }

    /// Reads it. `None` is "never saved", which is not slot 0.
    ///
    /// # Errors
    /// [`WatermarkError`] if it cannot be read, or isn't this program's on this cluster.
    pub async fn load(&mut self) -> Result<Option<Mark>, WatermarkError> {
        let (saved, provenance) = match self.read(&self.path).await? {
            Some((mark, provenance, version)) => (Saved::Present(mark, version), Some(provenance)),
            None => match &self.before {
                Some(before) => {
                    let before = self.read(before).await?;
                    let provenance = before.as_ref().map(|(_, provenance, _)| *provenance);
                    (Saved::Absent(before.map(|(mark, ..)| mark)), provenance)
                }
                None => (Saved::Absent(None), None),
            },
        };
        (self.saved, self.provenance) = (saved, provenance);
        Ok(self.saved.mark())
    }

    async fn read(&self, path: &Path) -> Result<Option<(Mark, Provenance, UpdateVersion)>, WatermarkError> {
        let Some((text, version)) = self.place.get(path).await? else {
            return Ok(None);
        };
        let (mark, provenance) = self.parse(&text)?;
        Ok(Some((mark, provenance, version)))
    }

    /// How what was last [loaded](Self::load) came to be there, if there was anything.
    #[must_use]
    pub fn provenance(&self) -> Option<Provenance> {
        self.provenance
    }

    /// Where it is kept.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    fn parse(&self, bytes: &[u8]) -> Result<(Mark, Provenance), WatermarkError> {
        let malformed = |detail: String| WatermarkError::Malformed {
            path: self.path.to_string(),
            detail,
        };
        let document: Document = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if document.version != VERSION {
            return Err(WatermarkError::Version {
                path: self.path.to_string(),
                found: document.version,
                known: VERSION,
            });
        }
        self.check("program_id", &self.program_id, &document.program_id)?;
        self.check("genesis_hash", &self.genesis_hash, &document.genesis_hash)?;
        let signature = document.signature.map(|text| text.parse::<Signature>()).transpose();
        let signature = signature.map_err(|error| malformed(format!("signature: {error}")))?;
        let mark = Mark {
            slot: document.slot,
            signature,
        };
        let provenance = Provenance {
            at: document.updated_at,
            by_hand: document.set_by_hand,
        };
        Ok((mark, provenance))
    }

    fn check(&self, field: &'static str, expected: &str, found: &str) -> Result<(), WatermarkError> {
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (expected.to_owned(), found.to_owned());
        Err(WatermarkError::Foreign {
            path: self.path.to_string(),
            field,
            expected,
            found,
        })
    }

    /// Saves a first mark, unless there is one: where several start for the first time, all begin where the first of them does.
    /// Answers what is saved now.
    ///
    /// # Errors
    /// [`WatermarkError`] if it cannot be written.
    pub async fn begin(&mut self, mark: Mark) -> Result<Mark, WatermarkError> {
        if let Some(saved) = self.load().await? {
            return Ok(saved);
        }
        match self.put(mark, PutMode::Create, SavedBy::Listener).await? {
            Put::Done => Ok(mark),
            Put::Overtaken => Ok(self.load().await?.unwrap_or(mark)),
        }
    }

    /// Saves `mark`, unless what is saved already is as far or further. Answers what is saved now.
    ///
    /// # Errors
    /// [`WatermarkError`] if it cannot be written: the old one stays.
    pub async fn advance(&mut self, mark: Mark) -> Result<Mark, WatermarkError> {
        for _ in 0..CONFLICTS_MAX {
            if matches!(self.saved, Saved::Unknown) || !self.place.is_shared() {
                self.load().await?;
            }
            let mode = match &self.saved {
                Saved::Present(saved, _) if saved.slot >= mark.slot => return Ok(*saved),
                Saved::Absent(Some(before)) if before.slot > mark.slot => return Ok(*before),
                Saved::Present(_, version) if self.place.is_shared() => PutMode::Update(version.clone()),
                Saved::Present(..) => PutMode::Overwrite,
                Saved::Absent(_) | Saved::Unknown => PutMode::Create,
            };
            if let Put::Done = self.put(mark, mode, SavedBy::Listener).await? {
                return Ok(mark);
            }
        }
        Err(WatermarkError::Contended {
            path: self.path.to_string(),
            times: CONFLICTS_MAX,
        })
    }

    /// Saves `mark` because an operator says so, wherever it was before; not over what somebody else has saved since it was
    /// [loaded](Self::load).
    ///
    /// # Errors
    /// [`WatermarkError::Moved`] if somebody else has saved, otherwise as [`Self::advance`]: the old one stays.
    pub(crate) async fn set(&mut self, mark: Mark) -> Result<(), WatermarkError> {
        let mode = match &self.saved {
            Saved::Present(..) if !self.place.is_shared() => PutMode::Overwrite,
            Saved::Present(_, version) => PutMode::Update(version.clone()),
            Saved::Absent(_) | Saved::Unknown => PutMode::Create,
        };
        match self.put(mark, mode, SavedBy::Operator).await? {
            Put::Done => Ok(()),
            Put::Overtaken => Err(WatermarkError::Moved {
                path: self.location.clone(),
            }),
        }
    }

    async fn put(&mut self, mark: Mark, mode: PutMode, by: SavedBy) -> Result<Put, WatermarkError> {
        let document = self.document(mark, by)?;
        // Whatever happens now, what was known is known no more.
        self.saved = Saved::Unknown;
        Ok(match self.place.put(&self.path, document, mode).await? {
            Some(version) => {
                self.saved = Saved::Present(mark, version);
                Put::Done
            }
            None => Put::Overtaken,
        })
    }

    /// Forgets it.
    ///
    /// # Errors
    /// [`WatermarkError::Store`].
    pub(crate) async fn remove(&mut self) -> Result<(), WatermarkError> {
        self.saved = Saved::Unknown;
        self.place.remove(&self.path).await
    }

    fn document(&self, mark: Mark, by: SavedBy) -> Result<String, WatermarkError> {
        let document = Document {
            version: VERSION,
            program_id: self.program_id.clone(),
            genesis_hash: self.genesis_hash.clone(),
            slot: mark.slot,
            signature: mark.signature.map(|signature| signature.to_string()),
            updated_at: session_clock::now_utc(),
            set_by_hand: by == SavedBy::Operator,
        };
        serde_json::to_string_pretty(&document).map_err(|error| WatermarkError::Malformed {
            path: self.path.to_string(),
            detail: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
