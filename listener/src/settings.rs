//! From the service's settings to a listener's configuration.

use std::{path::Path, sync::Arc};

use object_store::aws::AmazonS3Builder;
use session_config::Settings;
use session_events::idl::{Idl, IdlError};

use crate::{
    config::{ListenerConfig, ReconcileConfig, StartAt},
    cursor::{CursorError, CursorStore},
};

/// The folder of cursors, under `service.state_dir`.
const CURSORS_FOLDER: &str = "cursors";

/// Settings that do not make a listener.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `listener.idl_path` names no readable file.
    #[error("listener.idl_path: {path} cannot be read: {source}")]
    IdlFile {
        /// The path.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no IDL.
    #[error("listener.idl_path: {path}: {source}")]
    Idl {
        /// The path.
        path: String,
        /// What is wrong with it.
        source: IdlError,
    },
    /// `listener.start` looks like a signature and is none.
    #[error("listener.start is {value:?}, which is no signature")]
    Start {
        /// The value.
        value: String,
    },
    /// `listener.cursor_url` names no place.
    #[error("listener.cursor_url is {value:?}; it must be s3://bucket/prefix or file:///folder")]
    CursorUrl {
        /// The value.
        value: String,
    },
    /// The place for the cursor.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

impl ListenerConfig {
    /// The configuration that the settings ask for.
    ///
    /// # Errors
    /// [`SettingsError::IdlFile`], [`SettingsError::Idl`], [`SettingsError::Start`].
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let listener = &settings.listener;
        Ok(Self {
            program_id: settings.service.program_id,
            idl: listener.idl_path.as_deref().map(read_idl).transpose()?,
            start_at: start_at(&listener.start)?,
            listing_interval: listener.listing_interval,
            silence_limit: listener.silence_limit,
            linger: listener.linger,
            unsettled_events_max: listener.max_unsettled_events,
            reconcile: ReconcileConfig {
                interval: listener.reconcile_interval,
                owner_programs: settings.policy.allowed_owner_programs.clone(),
                unknown_size_bytes: listener.reconcile_session_size_bytes,
                ..ReconcileConfig::default()
            },
            ..Self::default()
        })
    }
}

impl CursorStore {
    /// Where the settings want cursors.
    ///
    /// # Errors
    /// [`SettingsError::CursorUrl`], [`SettingsError::Cursor`].
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let Some(url) = settings.listener.cursor_url.as_deref() else {
            return Ok(Self::folder(&settings.service.state_dir.join(CURSORS_FOLDER))?);
        };
        let refuse = || SettingsError::CursorUrl { value: url.to_owned() };
        if let Some(folder) = url.strip_prefix("file://") {
            return Ok(Self::folder(Path::new(folder))?);
        }
        let place = url.strip_prefix("s3://").ok_or_else(refuse)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        // Credentials, region and endpoint come from where AWS's own tools look for them.
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .build()
            .map_err(CursorError::from)?;
        Ok(Self::object_store(Arc::new(store), prefix))
    }
}

fn read_idl(path: &Path) -> Result<Idl, SettingsError> {
    let named = || path.display().to_string();
    let json = std::fs::read_to_string(path).map_err(|source| SettingsError::IdlFile { path: named(), source })?;
    Idl::parse(&json).map_err(|source| SettingsError::Idl { path: named(), source })
}

fn start_at(start: &session_config::StartAt) -> Result<StartAt, SettingsError> {
    Ok(match start {
        session_config::StartAt::Now => StartAt::Now,
        session_config::StartAt::Genesis => StartAt::Genesis,
        session_config::StartAt::Slot(slot) => StartAt::Slot(*slot),
        session_config::StartAt::Signature(text) => {
            StartAt::Signature(text.parse().map_err(|_| SettingsError::Start { value: text.clone() })?)
        }
    })
}
