//! The SDK's errors as the queue trait's, told apart by their types.

use std::iter::successors;

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::BatchResultErrorEntry,
};
use session_queue::{EntryError, QueueError};

/// The queue could not be reached at the start.
#[derive(Debug, thiserror::Error)]
pub enum SqsError {
    /// Without a region no request can be signed.
    #[error("no AWS region is set: set queue.region or AWS_REGION")]
    NoRegion,
    /// The URL names no queue.
    #[error("{url:?} is no queue URL: its last part names the queue")]
    BadUrl {
        /// The URL.
        url: String,
    },
}

/// Service errors that a later call may not meet.
const THROTTLES: [&str; 5] = [
    "RequestThrottled",
    "ThrottlingException",
    "Throttling",
    "KmsThrottled",
    "ServiceUnavailable",
];

/// A call that failed as a whole.
pub(crate) fn queue_error<E>(queue: &str, operation: &'static str, error: &SdkError<E, HttpResponse>) -> QueueError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let retryable = match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(service) => {
            let throttled = service
                .err()
                .code()
                .is_some_and(|code| THROTTLES.contains(&name_of_code(code)));
            throttled || service.raw().status().is_server_error()
        }
        // A time-out, a broken connection, an answer that is none.
        _ => true,
    };
    let source = explanation(error).into();
    QueueError::Service {
        queue: queue.to_owned(),
        operation,
        retryable,
        source,
    }
}

/// What SQS refuses a whole call by for what is in some of its entries, or for the length of all together ("Amazon SQS API
/// Reference", `SendMessageBatch` and common errors). What is refused for the queue's or the caller's sake (no such queue, no
/// access, an operation that the queue does not support, a key of KMS that is disabled) is not among them: whatever part is sent
/// then is refused as well.
const ABOUT_ENTRIES: [&str; 9] = [
    "BatchRequestTooLong",
    "InvalidAttributeValue",
    "InvalidBatchEntryId",
    "InvalidMessageContents",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "MissingParameter",
    "ValidationError",
    "ValidationException",
];
/// What a gateway answers to a request that is too long for it.
const PAYLOAD_TOO_LARGE: u16 = 413;

/// Whether a call was refused for its entries, so that a part of them may be taken.
pub(crate) fn is_about_entries<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::ServiceError(service) = error else {
        return false;
    };
    let code = service.err().code().map(name_of_code);
    code.is_some_and(|code| ABOUT_ENTRIES.contains(&code)) || service.raw().status().as_u16() == PAYLOAD_TOO_LARGE
}

/// Without the name of the service in front, which servers write in their own ways.
fn name_of_code(code: &str) -> &str {
    code.rsplit(['.', '#']).next().unwrap_or(code)
}

/// The refusal of a call with one entry: that entry's.
pub(crate) fn refused_alone<E>(error: &SdkError<E, HttpResponse>) -> EntryError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    EntryError::Refused {
        code: error.code().map_or("Unknown", name_of_code).to_owned(),
        message: explanation(error),
        sender_fault: true,
    }
}

/// What a person has to know of an error: what SQS says, or why it could not be asked.
fn explanation<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    if let SdkError::ServiceError(service) = error {
        let status = service.raw().status().as_u16();
        let code = service.err().code().unwrap_or("an error without a code");
        let message = service.err().message().unwrap_or("no message");
        return format!("SQS answered {status} {code}: {message}");
    }
    let first: &dyn std::error::Error = error;
    let causes: Vec<String> = successors(Some(first), |cause| cause.source())
        .map(ToString::to_string)
        .collect();
    causes.join(": ")
}

/// An entry that failed while the call succeeded.
pub(crate) fn entry_error(entry: &BatchResultErrorEntry, handle: Option<&str>) -> EntryError {
    let handle = || handle.unwrap_or_default().to_owned();
    match entry.code() {
        "ReceiptHandleIsInvalid" => EntryError::BadReceiptHandle { handle: handle() },
        "MessageNotInflight" => EntryError::NotInFlight { handle: handle() },
        code => EntryError::Refused {
            code: code.to_owned(),
            message: entry.message().unwrap_or_default().to_owned(),
            sender_fault: entry.sender_fault(),
        },
    }
}

/// An entry that SQS said nothing about.
pub(crate) fn unanswered() -> EntryError {
    let (code, message) = (
        String::from("Unanswered"),
        String::from("SQS gave no answer for this entry"),
    );
    EntryError::Refused {
        code,
        message,
        sender_fault: false,
    }
}
