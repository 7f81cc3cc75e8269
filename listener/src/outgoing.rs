//! A message on its way to the queue.

use std::time::Duration;

use session_events::PdaComputedEvent;
use session_message::{Message, MessageError, Origin, Source};
use session_queue::SendEntry;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::sync::OwnedSemaphorePermit;

use crate::observed::ObservedEvent;

/// Name of the W3C trace context, which AWS X-Ray and OpenTelemetry both read.
const TRACE_ATTRIBUTE: &str = "traceparent";

/// A message that the queue has not settled yet.
pub(crate) struct Outgoing {
    pub(crate) entry: SendEntry,
    pub(crate) receipt: Receipt,
}

/// What is given back when the message is settled.
pub(crate) struct Receipt {
    /// The transaction that must not be passed before; `None` for messages that follow from account state.
    pub(crate) transaction: Option<Signature>,
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
    };
    let message = Message::new(event, source);
    let mut attributes = message.attributes();
    attributes.insert(TRACE_ATTRIBUTE.to_owned(), trace_parent(observed.signature));
    Ok(SendEntry {
        body: escape_noncharacters(message.to_json()?),
        attributes,
        delay: Duration::ZERO,
    })
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
fn trace_parent(signature: Option<Signature>) -> String {
    let trace = signature
        .and_then(|signature| signature.as_ref().first_chunk().copied().map(u128::from_be_bytes))
        .filter(|&trace| trace != 0)
        .unwrap_or_else(|| rand::random::<u128>().max(1));
    let span = rand::random::<u64>().max(1);
    format!("00-{trace:032x}-{span:016x}-01")
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
        let (one, other) = (trace_parent(Some(signature)), trace_parent(Some(signature)));
        assert_eq!(one[..35], other[..35]);
        assert_ne!(one[36..52], other[36..52]);
        assert_eq!(one.len(), 55, "{one}");
    }
}
