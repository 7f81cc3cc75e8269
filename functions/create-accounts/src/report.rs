//! What the handler tells about each record: to logs and metrics always, to an observer if there is one.

use std::time::Duration;

use metrics::{counter, histogram};
use session_engine::Outcome;
use session_message::Message;
use session_telemetry::names;
use time::OffsetDateTime;

use crate::conclusion::Conclusion;

/// From the moment a `PDAComputedEvent` is visible to its verified account (`docs/contract.md`, "Deadlines").
const DEADLINE: Duration = Duration::from_secs(5);
/// The event that this function answers, by its IDL name.
const EVENT: &str = "PDAComputedEvent";

/// One record's end in one invocation.
#[derive(Debug, Clone)]
pub struct RecordReport {
    /// The SQS message id.
    pub message_id: String,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// The trace that the sender began (`AWSTraceHeader`).
    pub trace: Option<String>,
    /// The message, where the body could be read.
    pub message: Option<Message>,
    /// What became of the record.
    pub conclusion: Conclusion,
    /// When the record was concluded.
    pub concluded_at: OffsetDateTime,
}

impl RecordReport {
    /// From the event's visibility on chain to this conclusion; `None` without a readable message.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        let observed_at = self.message.as_ref()?.source.observed_at;
        // A clock set back between two machines must not turn into a negative latency.
        Some(Duration::try_from(self.concluded_at - observed_at).unwrap_or(Duration::ZERO))
    }

    /// From the event's block to the block of the creation, in slots: what the chain's own clock says, whatever a slot
    /// takes. `None` where this service did not create the account.
    #[must_use]
    pub fn latency_slots(&self) -> Option<u64> {
        let Conclusion::Verified(Outcome::Created { slot, .. }) = &self.conclusion else {
            return None;
        };
        Some(slot.saturating_sub(self.message.as_ref()?.source.slot))
    }

    /// Counts the conclusion, and the latency of a verified account.
    pub fn record_metrics(&self) {
        match &self.conclusion {
            Conclusion::Verified(outcome) => self.record_verified(outcome),
            Conclusion::Skipped => counter!(names::EVENTS_SKIPPED_TOTAL).increment(1),
            // It was counted when it was created.
            Conclusion::Closed(_) => {}
            Conclusion::DeadLettered(reason) => {
                counter!(names::ACCOUNTS_FAILED_TOTAL).increment(1);
                counter!(names::DEAD_LETTERS_TOTAL, "reason" => reason.code).increment(1);
            }
            Conclusion::Retried { reason, .. } => {
                counter!(names::ATTEMPTS_FAILED_TOTAL, "reason" => reason.code).increment(1);
            }
            Conclusion::Deferred { reason, .. } => {
                counter!(names::MESSAGES_DEFERRED_TOTAL, "reason" => reason.code).increment(1);
            }
        }
    }

    fn record_verified(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Created { .. } => counter!(names::ACCOUNTS_CREATED_TOTAL).increment(1),
            Outcome::AlreadyExisted => counter!(names::ACCOUNTS_EXISTING_TOTAL).increment(1),
        }
        if let Some(slots) = self.latency_slots() {
            #[expect(clippy::cast_precision_loss, reason = "a latency has a few slots")]
            histogram!(names::CREATION_LATENCY_SLOTS).record(slots as f64);
        }
        let Some(latency) = self.latency() else { return };
        histogram!(names::EVENT_PROCESSING_DURATION, "event" => EVENT).record(latency.as_secs_f64());
        if latency > DEADLINE {
            counter!(names::DEADLINE_MISSED_TOTAL, "event" => EVENT).increment(1);
        }
    }

    /// One line, whose level says whether somebody should look.
    pub(crate) fn log(&self) {
        let event = self.message.as_ref().map(|message| &message.event);
        let pda = event.map(|event| event.expected_pda.to_string());
        let latency_ms = self.latency().map(whole_ms);
        // A line about this record, at a level, with fields of its own.
        macro_rules! say {
            ($level:ident, $($rest:tt)+) => {
                tracing::$level!(
                    message_id = self.message_id.as_str(),
                    attempt = self.attempt,
                    trace = self.trace.as_deref(),
                    session_id = event.map(|event| event.session_id.as_str()),
                    $($rest)+
                )
            };
        }
        match &self.conclusion {
            Conclusion::Verified(Outcome::Created { signature, slot, .. }) => {
                let latency_slots = self.latency_slots();
                say!(info, pda, latency_ms, latency_slots, %signature, slot, "account created and verified");
            }
            Conclusion::Verified(Outcome::AlreadyExisted) => {
                say!(info, pda, latency_ms, "account existed already and was verified");
            }
            Conclusion::Skipped => say!(info, "optimistic session asks for no account"),
            Conclusion::Closed(reason) => {
                let (signature, why) = (&reason.last_signature, &reason.sentence);
                say!(info, pda, signature, "nothing to create: {why}");
            }
            Conclusion::DeadLettered(reason) => {
                let (signature, why) = (&reason.last_signature, &reason.sentence);
                say!(error, pda, reason = reason.code, signature, "dead letter: {why}");
            }
            Conclusion::Deferred { reason, after } => {
                let (signature, why) = (&reason.last_signature, &reason.sentence);
                let after_secs = after.as_secs();
                say!(
                    info,
                    pda,
                    reason = reason.code,
                    signature,
                    after_secs,
                    "waits for room: {why}"
                );
            }
            Conclusion::Retried { reason, after } => {
                let (signature, why) = (&reason.last_signature, &reason.sentence);
                let after_ms = whole_ms(*after);
                say!(
                    warn,
                    pda,
                    reason = reason.code,
                    signature,
                    after_ms,
                    "will be tried again: {why}"
                );
            }
        }
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Somebody who wants to see each record as it is concluded. Must not block.
pub trait RecordObserver: Send + Sync + 'static {
    /// Called once per record and invocation, after its conclusion took effect.
    fn concluded(&self, report: &RecordReport);
}

/// The observer of a function that nobody watches: logs are enough.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogObserver;

impl RecordObserver for LogObserver {
    fn concluded(&self, _report: &RecordReport) {}
}
