//! Why a service could not start, or had to end.

use std::{error::Error, io, iter, process::ExitCode};

use create_accounts::SetupError;
use session_config::ConfigError;
use session_listener::ListenerError;
use session_telemetry::{LogError, RecorderError};

use crate::pipeline::PipelineError;

/// The command line or the configuration is wrong, to a script.
const MISCONFIGURED: u8 = 2;

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
    }

    /// As a process tells it.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.is_misconfigured() {
            ExitCode::from(MISCONFIGURED)
        } else {
            ExitCode::FAILURE
        }
    }

    /// With what it came from.
    pub(super) fn in_full(&self) -> String {
        let causes = iter::successors(Some(self as &(dyn Error + 'static)), |error| (*error).source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}
