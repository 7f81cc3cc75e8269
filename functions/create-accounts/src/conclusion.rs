//! What became of one record in one invocation.

use std::time::{Duration, SystemTime};

use session_engine::{CreationError, Disposition, Outcome};
use session_message::Origin;

use crate::record::Record;

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
    /// A comparison with account state found no account, because its owner has closed it: nobody asks for another one.
    Closed(Reason),
    /// The message can never succeed, or has used up its attempts: it goes to the dead-letter queue.
    DeadLettered(Reason),
    /// The attempt failed, and the message becomes visible again after a while.
    Retried {
        /// What went wrong this time.
        reason: Reason,
        /// How long the message stays invisible.
        after: Duration,
    },
    /// Nothing is wrong with the message, and there is no room for it now: it is sent anew and waits. That is no attempt.
    Deferred {
        /// What stands against it.
        reason: Reason,
        /// How long from now it waits.
        after: Duration,
    },
}

/// How long a message is kept trying, and how long waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) max_receive_count: u32,
    pub(crate) deferral_max: Duration,
}

/// A message that waits for less would be back before anything can have changed.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const SECONDS_PER_HOUR: u64 = 3_600;
const DEFERRED_TOO_LONG: &str = "deferred_too_long";

/// What waits for nobody knows how long asks again after this part of its waiting: what has lasted for an hour will hardly
/// be over in the next second.
const WAITED_PARTS: u32 = 8;
/// And not later than this, so that no outage lasts much longer for a message than for the others.
const LONGEST_UNKNOWN_WAIT: Duration = Duration::from_mins(1);

fn unknown_wait(waited: Duration) -> Duration {
    (waited / WAITED_PARTS).min(LONGEST_UNKNOWN_WAIT)
}

/// Since when the message is on its way.
pub(crate) fn waited(record: &Record, now: SystemTime) -> Duration {
    let sent_at = record.first_sent_at.or(record.first_received_at);
    sent_at
        .and_then(|sent_at| now.duration_since(sent_at).ok())
        .unwrap_or_default()
}

impl Conclusion {
    /// The conclusion for the engine's answer to a message that has `waited` for so long, before attempts are counted. A
    /// failed attempt waits for `backoff`.
    pub(crate) fn of(
        answer: Result<Outcome, CreationError>,
        origin: Origin,
        backoff: Duration,
        waited: Duration,
    ) -> Self {
        match answer {
            Ok(outcome) => Self::Verified(outcome),
            Err(error) => {
                let reason = Reason {
                    code: error.reason_code(),
                    sentence: error.to_string(),
                    last_signature: error.last_signature().map(|signature| signature.to_string()),
                };
                // An entry outlives its session, so that each comparison finds those that have ended.
                if matches!(error, CreationError::Closed { .. }) && origin == Origin::Reconciliation {
                    return Self::Closed(reason);
                }
                match error.disposition() {
                    Disposition::DeadLetter => Self::DeadLettered(reason),
                    Disposition::Retry => Self::Retried { reason, after: backoff },
                    Disposition::Wait { after } => {
                        let after = after.unwrap_or_else(|| unknown_wait(waited));
                        let after = after.max(SHORTEST_WAIT);
                        Self::Deferred { reason, after }
                    }
                }
            }
        }
    }

    /// Turns a retry into a dead letter once the message has no attempt left, and a deferral once it has waited too long.
    #[must_use]
    pub(crate) fn within_limits(self, record: &Record, limits: &Patience, now: SystemTime) -> Self {
        match self {
            Self::Retried { reason, .. } if record.attempt >= limits.max_receive_count => Self::DeadLettered(reason),
            Self::Deferred { reason, .. } if waited(record, now) >= limits.deferral_max => {
                let hours = |duration: Duration| duration.as_secs() / SECONDS_PER_HOUR;
                Self::DeadLettered(Reason {
                    code: DEFERRED_TOO_LONG,
                    sentence: format!(
                        "it has waited {} h for room, and {} h is the limit; what stood against it last: {}",
                        hours(waited(record, now)),
                        hours(limits.deferral_max),
                        reason.sentence
                    ),
                    last_signature: reason.last_signature,
                })
            }
            other => other,
        }
    }

    /// The conclusion for a message that comes before its moment, because its queue cannot delay one for so long.
    pub(crate) fn too_early(until: SystemTime, now: SystemTime) -> Option<Self> {
        let after = until.duration_since(now).ok().filter(|after| !after.is_zero())?;
        let reason = Reason {
            code: "waiting",
            sentence: String::from("it waits for the moment for which it was deferred"),
            last_signature: None,
        };
        Some(Self::Deferred { reason, after })
    }
}

#[cfg(test)]
mod tests {
    use session_engine::Deferral;

    use super::*;

    const PATIENCE: Patience = Patience {
        max_receive_count: 5,
        deferral_max: Duration::from_hours(24),
    };

    fn reason() -> Reason {
        Reason {
            code: "hourly_budget",
            sentence: String::from("the budget is spent"),
            last_signature: None,
        }
    }

    fn retried() -> Conclusion {
        let (reason, after) = (reason(), Duration::from_secs(1));
        Conclusion::Retried { reason, after }
    }

    fn deferred() -> Conclusion {
        let (reason, after) = (reason(), Duration::from_secs(1));
        Conclusion::Deferred { reason, after }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
    }

    fn record(attempt: u32, age: Duration) -> Record {
        let mut message = aws_lambda_events::event::sqs::SqsMessage::default();
        message.message_id = Some(String::from("m"));
        let mut record = Record::read(0, message).unwrap();
        (record.attempt, record.first_sent_at) = (attempt, Some(now() - age));
        record
    }

    #[test]
    fn the_last_attempt_is_a_dead_letter_and_the_one_before_is_not() {
        let after = |attempt| retried().within_limits(&record(attempt, Duration::ZERO), &PATIENCE, now());
        assert!(matches!(after(4), Conclusion::Retried { .. }));
        assert!(matches!(after(5), Conclusion::DeadLettered(_)));
    }

    #[test]
    fn waiting_is_no_attempt_and_ends_after_a_day() {
        let after = |hours| deferred().within_limits(&record(100, Duration::from_hours(hours)), &PATIENCE, now());
        assert!(matches!(after(23), Conclusion::Deferred { .. }));
        let Conclusion::DeadLettered(reason) = after(24) else {
            panic!("{:?}", after(24))
        };
        assert_eq!(reason.code, "deferred_too_long");
        assert!(reason.sentence.ends_with("the budget is spent"), "{}", reason.sentence);
    }

    #[test]
    fn what_waits_for_nobody_knows_how_long_asks_again_the_later_the_longer_it_has_waited() {
        let after = |waited| {
            let answer = Err(Deferral::NoNode(String::new()).into());
            match Conclusion::of(answer, Origin::Live, Duration::ZERO, waited) {
                Conclusion::Deferred { after, .. } => after,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(after(Duration::ZERO), Duration::from_secs(1));
        assert_eq!(after(Duration::from_mins(2)), Duration::from_secs(15));
        assert_eq!(after(Duration::from_hours(20)), Duration::from_mins(1));
    }

    #[test]
    fn a_message_before_its_moment_waits_for_the_rest_of_it() {
        let minute = Duration::from_mins(1);
        assert!(
            matches!(Conclusion::too_early(now() + minute, now()), Some(Conclusion::Deferred { after, .. }) if after == minute)
        );
        assert!(Conclusion::too_early(now(), now()).is_none());
        assert!(Conclusion::too_early(now() - minute, now()).is_none());
    }

    #[test]
    fn a_closed_session_is_a_dead_letter_where_an_event_asked_and_none_where_a_comparison_looked() {
        let of = |origin| {
            let (signature, slot) = (solana_sdk::signature::Signature::default(), 7);
            let closed = Err(CreationError::Closed { signature, slot });
            Conclusion::of(closed, origin, Duration::ZERO, Duration::ZERO)
        };
        for origin in Origin::ALL {
            let conclusion = of(origin);
            let closed = matches!(&conclusion, Conclusion::Closed(reason) if reason.code == "account_closed");
            let letter = matches!(&conclusion, Conclusion::DeadLettered(_));
            let looked = origin == Origin::Reconciliation;
            assert_eq!((closed, letter), (looked, !looked));
        }
    }

    #[test]
    fn a_verified_account_stays_verified_on_the_last_attempt() {
        let verified = Conclusion::Verified(Outcome::AlreadyExisted);
        let old = record(5, Duration::from_hours(48));
        assert!(matches!(
            verified.within_limits(&old, &PATIENCE, now()),
            Conclusion::Verified(_)
        ));
    }
}
