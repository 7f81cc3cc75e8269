//! A message on its way to the queue.

use std::time::Duration;

use session_events::PdaComputedEvent;
use session_message::{Message, MessageError, Origin, Source};
use session_queue::{MESSAGE_GROUP_ID, SendEntry, TRACE_HEADER};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::sync::OwnedSemaphorePermit;

use crate::{checkpoint::settles::Settles, decode::observed::ObservedEvent};

/// Name of the W3C trace context, which OpenTelemetry reads; X-Ray has a header of its own.
const TRACE_ATTRIBUTE: &str = "traceparent";

/// A message that the queue has not settled yet.
pub(crate) struct Outgoing {
    pub(crate) entry: SendEntry,
    pub(crate) receipt: Receipt,
}

/// What is given back when the message is settled.
pub(crate) struct Receipt {
    /// What must not be passed before.
    pub(crate) settles: Settles,
    pub(crate) origin: Origin,
    /// Its share of the events that may be unsettled.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// The queue entry for an event that asks for an account.
///
/// # Errors
/// [`MessageError::Unwritable`], which takes a clock beyond the year 9999.
pub(crate) fn entry(
    program_id: Pubkey,
    event: PdaComputedEvent,
    observed: &ObservedEvent,
) -> Result<SendEntry, MessageError> {
    let source = Source {
        signature: observed.signature.map(|signature| signature.to_string()),
        slot: observed.slot,
        event_index: observed.index,
        program_id,
        observed_at: observed.observed_at,
        origin: observed.origin,
        requester: observed.requester,
    };
    let message = Message::new(event, source);
    // Whoever asks for much delays nobody else: the queue serves the groups in turn.
    let group = message.answerable().to_string();
    let mut attributes = message.attributes();
    attributes.insert(MESSAGE_GROUP_ID.to_owned(), group);
    let trace = Trace::of(observed.signature);
    attributes.insert(TRACE_ATTRIBUTE.to_owned(), trace.parent());
    attributes.insert(TRACE_HEADER.to_owned(), trace.x_ray());
    Ok(SendEntry {
        body: escape_noncharacters(message.to_json()?),
        attributes,
        delay: Duration::ZERO,
    })
}

/// The name of a message that is the same whenever the same message is made.
pub(crate) fn name_of(entry: &SendEntry) -> String {
    let Ok(Message { event, source, .. }) = Message::from_json(&entry.body) else {
        // Only a test writes what is no message.
        let beginning = &entry.body.as_bytes()[..entry.body.len().min(32)];
        return format!("message-{}", bs58::encode(beginning).into_string());
    };
    match source.signature {
        Some(signature) => format!("{signature}-{}", source.event_index),
        None => event.expected_pda.to_string(),
    }
}

/// SQS refuses U+FFFE and U+FFFF, which a session id may hold: written as JSON escapes they are the same text.
fn escape_noncharacters(json: String) -> String {
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    } else {
        json
    }
}

/// A sampled trace: all deliveries of one transaction share its id, each message is a span of its own.
struct Trace {
    id: u128,
    span: u64,
}

impl Trace {
    fn of(signature: Option<Signature>) -> Self {
        let id = signature
            .and_then(|signature| signature.as_ref().first_chunk().copied().map(u128::from_be_bytes))
            .filter(|&id| id != 0)
            .unwrap_or_else(|| session_clock::random::<u128>().max(1));
        Self {
            id,
            span: session_clock::random::<u64>().max(1),
        }
    }

    /// The W3C trace context ("Trace Context", `traceparent`).
    fn parent(&self) -> String {
        format!("00-{:032x}-{:016x}-01", self.id, self.span)
    }

    /// The same for X-Ray, which writes the id in two parts (AWS, "Tracing header").
    fn x_ray(&self) -> String {
        let id = format!("{:032x}", self.id);
        let (first, rest) = id.split_at(8);
        format!("Root=1-{first}-{rest};Parent={:016x};Sampled=1", self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noncharacters_become_escapes_that_read_the_same() {
        let json = serde_json::to_string("a\u{ffff}b\u{fffe}").unwrap();
        let escaped = escape_noncharacters(json);
        assert!(!escaped.contains(['\u{fffe}', '\u{ffff}']));
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), "a\u{ffff}b\u{fffe}");
    }

    #[test]
    fn a_trace_is_its_transactions_and_a_span_its_own() {
        let signature = Signature::from([7; 64]);
        let (one, other) = (Trace::of(Some(signature)), Trace::of(Some(signature)));
        assert_eq!(one.id, other.id);
        assert_ne!(one.span, other.span);
        assert_eq!(one.parent().len(), 55, "{}", one.parent());
    }

    #[test]
    fn x_ray_and_w3c_name_the_same_span() {
        let trace = Trace {
            id: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
            span: 0x1112,
        };
        assert_eq!(
            trace.parent(),
            "00-0102030405060708090a0b0c0d0e0f10-0000000000001112-01"
        );
        assert_eq!(
            trace.x_ray(),
            "Root=1-01020304-05060708090a0b0c0d0e0f10;Parent=0000000000001112;Sampled=1"
        );
    }
}
