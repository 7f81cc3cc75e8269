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
                // An event that is not younger than a creation does not ask for another one.
                let asked_at_slot = Some(message.source.slot);
                let request = CreationRequest {
                    asked_at_slot,
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
