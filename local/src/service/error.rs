//! Why a service could not start, or had to end.

use std::{io, process::ExitCode};

use create_accounts::SetupError;
use session_config::ConfigError;
use session_listener::ListenerError;
use session_telemetry::{LogError, RecorderError};

use crate::{pipeline::PipelineError, reach::ReachError};

/// The command line or the configuration is wrong, to a script.
const MISCONFIGURED: u8 = 2;
/// Nobody is there who could be asked.
const NOBODY_THERE: u8 = 4;

/// Why a service could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing to run.
    #[error(
        "nothing is configured, and this build has no demo: give --config FILE, or set SESSION_BUILDER__SECTION__KEY"
    )]
    NothingConfigured,
    /// The log's level or format.
    #[error(transparent)]
    Logs(#[from] LogError),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] RecorderError),
    /// What the settings name.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The cluster, or the programs on it.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The pipeline.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The listener.
    #[error("the listener failed")]
    Listener(#[source] ListenerError),
    /// The system.
    #[error("cannot {action}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The demonstration.
    #[cfg(feature = "demo")]
    #[error(transparent)]
    Demo(#[from] super::DemoError),
}

impl ServiceError {
    /// Whether what was asked for or configured is wrong, rather than what was met.
    #[must_use]
    pub fn is_misconfigured(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Logs(_) | Self::NothingConfigured)
            || matches!(self, Self::Reach(error) if error.is_misconfigured())
    }

    /// As a process tells it.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.is_misconfigured() {
            ExitCode::from(MISCONFIGURED)
        } else if matches!(self, Self::Reach(error) if error.is_silence()) {
            ExitCode::from(NOBODY_THERE)
        } else {
            ExitCode::FAILURE
        }
    }
}
