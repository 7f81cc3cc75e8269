//! From the service's settings to a listener's configuration.

use std::{path::Path, sync::Arc};

use session_config::{QueueKind, Settings};
use session_events::idl::{Idl, IdlError};

use session_queue_sqs::{SqsConfig, SqsError, SqsQueue};

use crate::{
    checkpoint::aws,
    checkpoint::{
        error::WatermarkError,
        watermarks::{WATERMARKS_FOLDER, Watermarks},
    },
    config::{ListenerConfig, ReconcileConfig, StartAt},
    lasting::Lasting,
    quarantine::{place::Quarantine, store::QuarantineError},
    reconcile::served::{Served, ServedError},
    status::AgeLimits,
};

/// The folder of the quarantine, under `service.state_dir` or beside the watermarks.
const QUARANTINE_FOLDER: &str = "quarantine";
/// The folder of what was found served, in the same places.
const SERVED_FOLDER: &str = "served";

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
    /// `listener.watermark_url` names no place.
    #[error("listener.watermark_url is {value:?}; it must be s3://bucket/prefix or file:///folder")]
    WatermarkUrl {
        /// The value.
        value: String,
    },
    /// A listener in a process of its own cannot fill a queue in the memory of another.
    #[error("queue.kind is \"memory\"; a listener of its own needs \"sqs\" and queue.url, or run session-builder")]
    QueueInMemory,
    /// SQS.
    #[error(transparent)]
    Queue(#[from] SqsError),
    /// The place for the watermark.
    #[error(transparent)]
    Watermark(#[from] WatermarkError),
    /// The place for the quarantine.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The place for what was found served.
    #[error(transparent)]
    Served(#[from] ServedError),
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
            session_program: settings.service.session_program_id,
            idl: listener.idl_path.as_deref().map(read_idl).transpose()?,
            start_at: start_at(&listener.start)?,
            lease: listener.lease,
            listing_interval: listener.listing_interval,
            listing_interval_complete: listener.listing_interval_complete,
            truncated_fetches_per_hour: listener.truncated_fetches_per_hour,
            silence_limit: listener.silence_limit,
            linger: listener.linger,
            unsettled_events_max: listener.max_unsettled_events,
            handler_backlog_max: listener.max_handler_backlog,
            handler_time_limit: listener.handler_time_limit,
            age_limits: AgeLimits {
                completeness: listener.completeness_age_max,
                acknowledgement: listener.acknowledgement_age_max,
            },
            reconcile: ReconcileConfig {
                interval: listener.reconcile_interval,
                calls_per_second: listener.reconcile_calls_per_second,
                ..ReconcileConfig::default()
            },
            look_up_requesters: settings.policy.lamports_per_requester_per_hour.is_some(),
            ..Self::default()
        })
    }
}

impl Lasting {
    /// Where the settings want watermarks, and the quarantine beside them: what the watermark has passed must last as long as
    /// the watermark.
    ///
    /// # Errors
    /// [`SettingsError::WatermarkUrl`], [`SettingsError::Watermark`], [`SettingsError::Quarantine`].
    pub async fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let Some(url) = settings.listener.watermark_url.as_deref() else {
            let state = &settings.service.state_dir;
            return Self::folders(&state.join(WATERMARKS_FOLDER), state);
        };
        let refuse = || SettingsError::WatermarkUrl { value: url.to_owned() };
        if let Some(folder) = url.strip_prefix("file://") {
            let folder = Path::new(folder);
            return Self::folders(folder, folder);
        }
        let place = url.strip_prefix("s3://").ok_or_else(refuse)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        // Credentials and endpoint come from where AWS's own tools look for them, as for the queue, whose region it shares.
        let store = Box::pin(aws::bucket(bucket, settings.queue.region.as_deref())).await;
        let store = store.map_err(WatermarkError::from)?;
        let beside = |folder| object_store::path::Path::from(prefix).join(folder);
        Ok(Self {
            watermarks: Watermarks::object_store(Arc::clone(&store), prefix),
            quarantine: Quarantine::object_store(Arc::clone(&store), beside(QUARANTINE_FOLDER).as_ref()),
            served: Served::object_store(store, beside(SERVED_FOLDER).as_ref()),
        })
    }

    fn folders(watermarks: &Path, others: &Path) -> Result<Self, SettingsError> {
        Ok(Self {
            watermarks: Watermarks::folder(watermarks)?,
            quarantine: Quarantine::folder(&others.join(QUARANTINE_FOLDER))?,
            served: Served::folder(&others.join(SERVED_FOLDER))?,
        })
    }
}

/// The configured SQS queue.
///
/// # Errors
/// [`SettingsError::QueueInMemory`], [`SettingsError::Queue`].
pub async fn sqs_queue(settings: &Settings) -> Result<SqsQueue, SettingsError> {
    let queue = &settings.queue;
    let (QueueKind::Sqs, Some(url)) = (queue.kind, &queue.url) else {
        return Err(SettingsError::QueueInMemory);
    };
    let config = SqsConfig {
        queue_url: url.clone(),
        endpoint_url: queue.endpoint_url.clone(),
        region: queue.region.clone(),
    };
    Ok(SqsQueue::connect(config).await?)
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
