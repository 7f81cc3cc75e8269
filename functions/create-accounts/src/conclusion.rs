//! What became of one record in one invocation.

use std::time::Duration;

use session_engine::{CreationError, Disposition, Outcome};

/// Why a record was not concluded with a verified account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable `snake_case` code, fit for a metric label and an alarm.
    pub code: &'static str,
    /// One sentence for a person, with the values that matter.
    pub sentence: String,
    /// The last transaction that was sent for the account, if any.
    pub last_signature: Option<String>,
}

/// How a record ends an invocation. Every record gets exactly one.
#[derive(Debug, Clone)]
pub enum Conclusion {
    /// The account exists and passed verification.
    Verified(Outcome),
    /// The event asks for no account (an optimistic session): nothing to do, and no error.
    Skipped,
    /// The message can never succeed, or has used up its attempts: it goes to the dead-letter queue.
    DeadLettered(Reason),
    /// The message becomes visible again after a while.
    Retried {
        /// What went wrong this time.
        reason: Reason,
        /// How long the message stays invisible.
        after: Duration,
    },
}

impl Conclusion {
    /// The conclusion for the engine's answer, before attempts are counted.
    pub(crate) fn of(answer: Result<Outcome, CreationError>, backoff: Duration) -> Self {
        match answer {
            Ok(outcome) => Self::Verified(outcome),
            Err(error) => {
                let reason = Reason {
                    code: error.reason_code(),
                    sentence: error.to_string(),
                    last_signature: error.last_signature().map(|signature| signature.to_string()),
                };
                match error.disposition() {
                    Disposition::DeadLetter => Self::DeadLettered(reason),
                    Disposition::RetryLater { after } => Self::Retried {
                        reason,
                        after: after.unwrap_or(backoff),
                    },
                }
            }
        }
    }

    /// Turns a retry into a dead letter once the message has no attempt left.
    #[must_use]
    pub(crate) fn after_attempt(self, attempt: u32, max_receive_count: u32) -> Self {
        match self {
            Self::Retried { reason, .. } if attempt >= max_receive_count => Self::DeadLettered(reason),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retried() -> Conclusion {
        let reason = Reason {
            code: "transaction_failed",
            sentence: String::from("it failed"),
            last_signature: None,
        };
        Conclusion::Retried {
            reason,
            after: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_last_attempt_is_a_dead_letter_and_the_one_before_is_not() {
        assert!(matches!(retried().after_attempt(4, 5), Conclusion::Retried { .. }));
        assert!(matches!(retried().after_attempt(5, 5), Conclusion::DeadLettered(_)));
    }

    #[test]
    fn a_verified_account_stays_verified_on_the_last_attempt() {
        let verified = Conclusion::Verified(Outcome::AlreadyExisted);
        assert!(matches!(verified.after_attempt(5, 5), Conclusion::Verified(_)));
    }
}
