//! The SDK's errors as the ledger's, told apart by their types.

use std::{error::Error, iter::successors};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use session_ledger::LedgerError;

/// The table could not be addressed.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbLedgerError {
    /// Without a region no request can be signed.
    #[error("no AWS region is set: set AWS_REGION")]
    NoRegion,
}

/// Service errors that a later call may not meet.
const PASSING: [&str; 7] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionInProgressException",
    "TransactionConflictException",
    "InternalServerError",
    "ServiceUnavailable",
];

/// A call that failed.
pub(crate) fn call_failed<E>(table: &str, operation: &'static str, error: &SdkError<E, HttpResponse>) -> LedgerError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let retryable = match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(service) => {
            let passing = service.err().code().is_some_and(|code| PASSING.contains(&code));
            passing || service.raw().status().is_server_error()
        }
        // A time-out, a broken connection, an answer that is none.
        _ => true,
    };
    let explanation = if let SdkError::ServiceError(service) = error {
        format!(
            "DynamoDB answered {} {}: {}",
            service.raw().status().as_u16(),
            service.err().code().unwrap_or("an error without a code"),
            service.err().message().unwrap_or("no message")
        )
    } else {
        let first: &dyn Error = error;
        let causes: Vec<String> = successors(Some(first), |cause| (*cause).source())
            .map(ToString::to_string)
            .collect();
        causes.join(": ")
    };
    failed(table, operation, retryable, explanation.into())
}

pub(crate) fn failed(
    table: &str,
    operation: &'static str,
    retryable: bool,
    source: Box<dyn Error + Send + Sync>,
) -> LedgerError {
    LedgerError::Storage {
        place: format!("table {table}"),
        operation,
        retryable,
        source,
    }
}
