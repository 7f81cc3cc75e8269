//! One SQS record as the handler needs it: who it is, which attempt this is, and its body.

use std::{collections::BTreeMap, time::SystemTime};

use aws_lambda_events::event::sqs::SqsMessage;
use session_queue::{Deferral, MESSAGE_GROUP_ID, TRACE_HEADER};

/// One record of an SQS event, with the fields without which it can be neither answered nor retried.
#[derive(Debug, Clone)]
pub struct Record {
    /// The message's id: what `batchItemFailures` names.
    pub message_id: String,
    /// What deletes the message or changes its visibility, for this receive only.
    pub receipt_handle: String,
    /// The message's text; empty where SQS sent none.
    pub body: String,
    /// Which attempt this is: the receives of the message (`ApproximateReceiveCount`), this one included, and the failed
    /// attempts from before it was deferred.
    pub attempt: u32,
    /// When the message was sent for the first time, before any deferral.
    pub first_sent_at: Option<SystemTime>,
    /// The moment that the message waits for, where it was deferred.
    pub deferred_until: Option<SystemTime>,
    /// When the message was received for the first time (`ApproximateFirstReceiveTimestamp`).
    pub first_received_at: Option<SystemTime>,
    /// The trace that the sender began (`AWSTraceHeader`).
    pub trace: Option<String>,
    /// The message's string attributes, with its trace and its group.
    pub attributes: BTreeMap<String, String>,
}

/// A record that cannot be answered: the whole invocation has to fail, so that SQS delivers the batch again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableRecord {
    /// Without its id a record cannot be reported as failed, and would be deleted unhandled.
    #[error("record {index} has no messageId; the event did not come from an SQS event source mapping")]
    NoMessageId {
        /// The record's position in the event, from 0.
        index: usize,
    },
}

impl Record {
    /// Reads one record of an event.
    ///
    /// # Errors
    /// [`UnusableRecord`] where the record could not be named in the response.
    pub fn read(index: usize, message: SqsMessage) -> Result<Self, UnusableRecord> {
        let message_id = message
            .message_id
            .filter(|id| !id.is_empty())
            .ok_or(UnusableRecord::NoMessageId { index })?;
        let number = |name: &str| message.attributes.get(name).and_then(|text| text.parse::<u64>().ok());
        // A record without a count is taken as a first attempt: SQS's own redrive still bounds how often it returns.
        let receives = number("ApproximateReceiveCount").map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX));
        let time = |name| number(name).map(session_clock::from_epoch_ms);
        let (first_received_at, sent_at) = (time("ApproximateFirstReceiveTimestamp"), time("SentTimestamp"));
        let trace = message.attributes.get(TRACE_HEADER).cloned();
        let kept_apart = [TRACE_HEADER, MESSAGE_GROUP_ID];
        let kept_apart = kept_apart.map(|name| Some((name.to_owned(), message.attributes.get(name)?.clone())));
        let attributes: BTreeMap<String, String> = message
            .message_attributes
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.string_value?)))
            .chain(kept_apart.into_iter().flatten())
            .collect();
        let texts = attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let deferral = Deferral::from_attributes(texts);
        Ok(Self {
            message_id,
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            attempt: receives.saturating_add(deferral.attempts),
            first_sent_at: deferral.first_sent_at.or(sent_at),
            deferred_until: deferral.until,
            first_received_at,
            trace,
            attributes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_an_id_fails_the_invocation() {
        let message = SqsMessage::default();
        assert_eq!(
            Record::read(3, message).unwrap_err(),
            UnusableRecord::NoMessageId { index: 3 }
        );
    }

    #[test]
    fn the_attempt_is_the_receive_count() {
        let mut message = SqsMessage::default();
        message.message_id = Some("m".into());
        message.attributes.insert("ApproximateReceiveCount".into(), "4".into());
        message
            .attributes
            .insert("ApproximateFirstReceiveTimestamp".into(), "1500".into());
        let record = Record::read(0, message).unwrap();
        assert_eq!((record.attempt, record.first_sent_at), (4, None));
        assert_eq!(record.first_received_at, Some(session_clock::from_epoch_ms(1500)));
    }
}
