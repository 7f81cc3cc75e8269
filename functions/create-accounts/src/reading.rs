//! From a record's body to what it asks for, without touching the chain.

use session_engine::{CreationRequest, Policy, validate};
use session_message::Message;

use crate::{conclusion::Reason, record::Record};

/// What a record asks for.
#[derive(Debug)]
pub(crate) enum Reading {
    /// An account to create and verify.
    Creation(Box<Message>, CreationRequest),
    /// No account: the event of an optimistic session.
    NoAccount(Box<Message>),
    /// Something that can never succeed, however often it is tried.
    Poison(Option<Box<Message>>, Reason),
}

impl Reading {
    /// Reads and validates a record's body.
    pub(crate) fn of(record: &Record, policy: &Policy) -> Self {
        let message = match Message::from_json(&record.body) {
            Ok(message) => Box::new(message),
            Err(error) => {
                let reason = Reason {
                    code: "bad_body",
                    sentence: error.to_string(),
                    last_signature: None,
                };
                return Self::Poison(None, reason);
            }
        };
        if !message.event.asks_for_account() {
            return Self::NoAccount(message);
        }
        match validate(&message.event, policy) {
            Ok(request) => {
                let request = CreationRequest {
                    asked_at_slot: asked_at_slot(&message),
                    requester: message.source.requester,
                    ..request
                };
                Self::Creation(message, request)
            }
            Err(rejection) => {
                let reason = Reason {
                    code: rejection.reason_code(),
                    sentence: rejection.to_string(),
                    last_signature: None,
                };
                Self::Poison(Some(message), reason)
            }
        }
    }

    /// The message, where the body was one.
    pub(crate) fn into_message(self) -> Option<Message> {
        match self {
            Self::Creation(message, _) | Self::NoAccount(message) => Some(*message),
            Self::Poison(message, _) => message.map(|message| *message),
        }
    }
}

/// When the account was asked for, where a transaction proves it. An event that is not younger than a creation does not
/// ask for another one; and what was only found in account state carries the slot of the look, not of the request, so that
/// a closed session would otherwise be paid for again at each comparison.
fn asked_at_slot(message: &Message) -> Option<u64> {
    message.source.signature.is_some().then_some(message.source.slot)
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::sqs::SqsMessage;

    use super::*;

    /// Of the event file that the README invokes the function with.
    const GOOD: &str = include_str!("../events/good.json");

    fn asked_at(change: impl Fn(&mut serde_json::Value)) -> Option<u64> {
        let event: serde_json::Value = serde_json::from_str(GOOD).unwrap();
        let mut body: serde_json::Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        change(&mut body);
        let mut message = SqsMessage::default();
        message.message_id = Some("m".into());
        message.body = Some(body.to_string());
        let record = Record::read(0, message).unwrap();
        match Reading::of(&record, &Policy::default()) {
            Reading::Creation(_, request) => request.asked_at_slot,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_of_a_transaction_asks_at_its_slot() {
        assert_eq!(asked_at(|_| ()), Some(412_345_679));
    }

    #[test]
    fn what_was_found_in_account_state_never_asks_anew() {
        let asked = asked_at(|body| {
            body["source"]["signature"] = serde_json::Value::Null;
            body["source"]["origin"] = "reconciliation".into();
        });
        assert_eq!(asked, None);
    }
}
