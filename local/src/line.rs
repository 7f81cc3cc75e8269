//! A record's end as a line. Its text comes from strangers and is escaped wherever it is shown.

use std::{fmt, time::Duration};

use create_accounts::{Conclusion, RecordReport};
use session_engine::Outcome;
use session_telemetry::{Escaped, Quoted};

/// The facts of a report that a line shows, in the order in which it shows them.
pub(crate) struct Line {
    pub(crate) word: &'static str,
    pub(crate) session_id: String,
    pub(crate) pda: String,
    pub(crate) signature: String,
    pub(crate) size_bytes: u64,
    pub(crate) attempt: u32,
    pub(crate) latency_ms: u128,
    pub(crate) latency_slots: Option<u64>,
    pub(crate) note: String,
}

impl Line {
    pub(crate) fn of(report: &RecordReport) -> Self {
        let (word, signature, note) = match &report.conclusion {
            Conclusion::Verified(Outcome::Created { signature, .. }) => {
                ("verified", signature.to_string(), String::new())
            }
            Conclusion::Verified(Outcome::AlreadyExisted) => ("existed", String::new(), String::new()),
            Conclusion::Skipped => ("skipped", String::new(), String::from("asks for no account")),
            Conclusion::Closed(reason) => (
                "closed",
                reason.last_signature.clone().unwrap_or_default(),
                reason.sentence.clone(),
            ),
            Conclusion::Retried { reason, after } => {
                let note = format!("{}: {}; again in {after:?}", reason.code, reason.sentence);
                ("retried", reason.last_signature.clone().unwrap_or_default(), note)
            }
            Conclusion::Deferred { reason, after } => {
                let after = Duration::from_secs(after.as_secs());
                let note = format!("{}: {}; again in {after:?}", reason.code, reason.sentence);
                ("deferred", reason.last_signature.clone().unwrap_or_default(), note)
            }
            Conclusion::DeadLettered(reason) => {
                let note = format!("{}: {}", reason.code, reason.sentence);
                ("dead-letter", reason.last_signature.clone().unwrap_or_default(), note)
            }
        };
        let event = report.message.as_ref().map(|message| &message.event);
        let session_id = event.map_or(report.message_id.as_str(), |event| &event.session_id);
        Self {
            word,
            session_id: session_id.to_owned(),
            pda: event.map_or_else(String::new, |event| event.expected_pda.to_string()),
            signature,
            size_bytes: event.map_or(0, |event| event.expected_size),
            attempt: report.attempt,
            latency_ms: report.latency().unwrap_or_default().as_millis(),
            latency_slots: report.latency_slots(),
            note,
        }
    }

    /// As `key=value`, after the word in its colour.
    pub(crate) fn keyed(&self, word: impl fmt::Display) -> String {
        let slots = self.latency_slots.map(|slots| format!(" latency_slots={slots}"));
        let note = (!self.note.is_empty()).then(|| format!(" note={}", Escaped(format_args!("{:?}", self.note))));
        format!(
            "{word} session={} pda={} signature={} size={} attempt={} latency_ms={}{}{}",
            Quoted(&self.session_id),
            self.pda,
            Quoted(&self.signature),
            self.size_bytes,
            self.attempt,
            self.latency_ms,
            slots.unwrap_or_default(),
            note.unwrap_or_default(),
        )
    }
}
