//! How a command ends, in numbers that scripts rely on.

use std::process::ExitCode;

use session_builder::{client::ClientError, service::ServiceError};
use session_config::ConfigError;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All that was asked for is so: 0.
    Done,
    /// What was looked for was found, and it is bad: 1.
    Bad,
    /// Partly done, or interrupted: 3.
    Partly,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Done => 0,
            Ending::Bad => 1,
            Ending::Partly => 3,
        })
    }
}

/// The code of an error: 2 for what was asked or configured wrongly, 4 where no service is there to be asked, else 1.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    let service = error.downcast_ref::<ServiceError>();
    if service.is_some_and(ServiceError::is_misconfigured) {
        return ExitCode::from(2);
    }
    if error.is::<ConfigError>() || error.is::<session_telemetry::LogError>() || error.is::<Usage>() {
        return ExitCode::from(2);
    }
    let no_service = error
        .downcast_ref::<ClientError>()
        .is_some_and(ClientError::is_no_service);
    ExitCode::from(if no_service { 4 } else { 1 })
}

/// Asked for in a way that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);
