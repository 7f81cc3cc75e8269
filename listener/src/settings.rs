//! From the service's settings to a listener's own configuration.

use std::{fs, io, path::PathBuf, sync::Arc};

use object_store::{ObjectStoreScheme, aws::AmazonS3Builder};
use session_config::{Settings, StartAt as Start};
use session_events::idl::{Idl, IdlError};
use url::Url;

use crate::{
    config::{ListenerConfig, StartAt},
    cursor::{CursorError, CursorStore},
};

/// The settings do not make a listener.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The IDL cannot be read.
    #[error("listener.idl_path = {path:?}: {source}")]
    UnreadableIdl {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The IDL is none.
    #[error("listener.idl_path = {path:?}: {source}")]
    BadIdl {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IdlError,
    },
    /// The start is no signature.
    #[error("listener.start = {text:?} is no signature: {reason}")]
    BadSignature {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cursor's place is none.
    #[error("listener.cursor_url = {url:?}: {reason}; use s3://bucket/folder or file:///folder")]
    BadCursorUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cursor's place cannot be opened.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

impl ListenerConfig {
    /// The configuration that the settings ask for.
    ///
    /// # Errors
    /// [`SettingsError`] names the key that is wrong.
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let listener = &settings.listener;
        Ok(Self {
            program_id: settings.service.program_id,
            idl: listener.idl_path.as_ref().map(read_idl).transpose()?,
            start_at: start_at(&listener.start)?,
            listing_interval: listener.listing_interval,
            silence_limit: listener.silence_limit,
            unsettled_events_max: listener.max_unsettled_events,
            linger: listener.linger,
            ..Self::default()
        })
    }
}

impl CursorStore {
    /// The place that the settings name.
    ///
    /// # Errors
    /// [`SettingsError::BadCursorUrl`], [`SettingsError::Cursor`].
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let Some(text) = &settings.listener.cursor_url else {
            return Ok(Self::folder(&settings.service.state_dir)?);
        };
        let bad = |reason: String| SettingsError::BadCursorUrl {
            url: text.clone(),
            reason,
        };
        let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
        match ObjectStoreScheme::parse(&url).map_err(|error| bad(error.to_string()))? {
            (ObjectStoreScheme::Local, _) => {
                let folder = url
                    .to_file_path()
                    .map_err(|()| bad(String::from("it names no folder")))?;
                Ok(Self::folder(&folder)?)
            }
            (ObjectStoreScheme::AmazonS3, prefix) => {
                // The region and the credentials are the AWS environment's.
                let store = AmazonS3Builder::from_env()
                    .with_url(text)
                    .build()
                    .map_err(|error| bad(error.to_string()))?;
                Ok(Self::object_store(Arc::new(store), prefix.as_ref()))
            }
            (scheme, _) => Err(bad(format!("{scheme:?} is no place for a cursor"))),
        }
    }
}

fn read_idl(path: &PathBuf) -> Result<Idl, SettingsError> {
    let json = fs::read_to_string(path).map_err(|source| SettingsError::UnreadableIdl {
        path: path.clone(),
        source,
    })?;
    Idl::parse(&json).map_err(|source| SettingsError::BadIdl {
        path: path.clone(),
        source,
    })
}

fn start_at(start: &Start) -> Result<StartAt, SettingsError> {
    Ok(match start {
        Start::Now => StartAt::Now,
        Start::Genesis => StartAt::Genesis,
        Start::Slot(slot) => StartAt::Slot(*slot),
        Start::Signature(text) => match text.parse() {
            Ok(signature) => StartAt::Signature(signature),
            Err(error) => {
                let reason = format!("{error}");
                return Err(SettingsError::BadSignature {
                    text: text.clone(),
                    reason,
                });
            }
        },
    })
}
