//! How a command ends, in numbers that scripts rely on.

use std::process::ExitCode;

use session_admin::OperationError;
use session_builder::{
    client::ClientError,
    reach::{ReachError, is_silence},
    service::ServiceError,
};
use session_chain::ChainError;
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

/// The code of an error: 2 for what was asked or configured wrongly, 4 where neither service nor node is there to be asked,
/// else 1.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    if let Some(service) = error.downcast_ref::<ServiceError>() {
        return service.exit_code();
    }
    let reach = error.downcast_ref::<ReachError>();
    let misconfigured = error.is::<ConfigError>()
        || error.is::<session_telemetry::LogError>()
        || error.is::<Usage>()
        || reach.is_some_and(ReachError::is_misconfigured);
    if misconfigured {
        return ExitCode::from(2);
    }
    let service = error.downcast_ref::<ClientError>();
    let chain = error.downcast_ref::<ChainError>();
    let nobody = service.is_some_and(ClientError::is_no_service)
        || reach.is_some_and(ReachError::is_silence)
        || chain.is_some_and(is_silence)
        || matches!(error.downcast_ref(), Some(OperationError::NoNode(_)));
    ExitCode::from(if nobody { 4 } else { 1 })
}

/// Asked for in a way that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);
