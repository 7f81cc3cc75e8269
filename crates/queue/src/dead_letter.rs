//! Why a message is in the dead-letter queue, as attributes that a person can read in any console.

use std::{collections::BTreeMap, time::SystemTime};

use session_clock::{epoch_ms, from_epoch_ms};

use crate::entry::allowed_text;

const REASON: &str = "reason";
const SENTENCE: &str = "sentence";
const ATTEMPTS: &str = "attempts";
const LAST_SIGNATURE: &str = "last_signature";
const FIRST_AT: &str = "first_at";
const LAST_AT: &str = "last_at";

/// The names of all attributes that a dead letter adds. With a message's own three and a trace header they are the 10
/// that SQS allows.
pub const DEAD_LETTER_ATTRIBUTES: [&str; 6] = [REASON, SENTENCE, ATTEMPTS, LAST_SIGNATURE, FIRST_AT, LAST_AT];

/// Why and when a message was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// A stable `snake_case` code.
    pub reason: String,
    /// One sentence for a person.
    pub sentence: String,
    /// Attempts made.
    pub attempts: u32,
    /// The last transaction that was sent for it.
    pub last_signature: Option<String>,
    /// When the first attempt began.
    pub first_at: SystemTime,
    /// When the last attempt ended.
    pub last_at: SystemTime,
}

/// Attributes that say no reason, as when SQS itself moved the message after a crash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {name} is missing or is no {expected}; the queue's own redrive moves messages without a reason")]
pub struct DeadLetterAttributeError {
    /// The attribute.
    pub name: &'static str,
    /// What it should be.
    pub expected: &'static str,
}

impl DeadLetter {
    /// The attributes that say this; times as milliseconds since 1970.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes: BTreeMap<String, String> = [
            (REASON, self.reason.clone()),
            (SENTENCE, allowed_text(&self.sentence)),
            (ATTEMPTS, self.attempts.to_string()),
            (FIRST_AT, epoch_ms(self.first_at).to_string()),
            (LAST_AT, epoch_ms(self.last_at).to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(signature) = &self.last_signature {
            attributes.insert(LAST_SIGNATURE.to_owned(), signature.clone());
        }
        attributes
    }

    /// Reads the attributes of a message in the dead-letter queue.
    ///
    /// # Errors
    /// [`DeadLetterAttributeError`] where they are not those of [`DeadLetter::attributes`].
    pub fn from_attributes(attributes: &BTreeMap<String, String>) -> Result<Self, DeadLetterAttributeError> {
        let text = |name: &'static str| {
            attributes
                .get(name)
                .cloned()
                .ok_or(DeadLetterAttributeError { name, expected: "text" })
        };
        let time = |name: &'static str| {
            let ms = text(name)?
                .parse()
                .map_err(|_| DeadLetterAttributeError { name, expected: "time" })?;
            Ok(from_epoch_ms(ms))
        };
        Ok(Self {
            reason: text(REASON)?,
            sentence: text(SENTENCE)?,
            attempts: text(ATTEMPTS)?.parse().map_err(|_| DeadLetterAttributeError {
                name: ATTEMPTS,
                expected: "number",
            })?,
            last_signature: attributes.get(LAST_SIGNATURE).cloned(),
            first_at: time(FIRST_AT)?,
            last_at: time(LAST_AT)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let letter = DeadLetter {
            reason: String::from("wrong_owner"),
            sentence: String::from("it belongs to somebody else"),
            attempts: 3,
            last_signature: Some(String::from("5sig")),
            first_at: from_epoch_ms(1_700_000_000_001),
            last_at: from_epoch_ms(1_700_000_000_002),
        };
        assert_eq!(DeadLetter::from_attributes(&letter.attributes()), Ok(letter));
    }

    #[test]
    fn a_sentence_is_always_taken() {
        let letter = DeadLetter {
            reason: String::from("address_mismatch"),
            sentence: String::from("session \"\0\u{ffff}é\" is elsewhere"),
            attempts: 1,
            last_signature: None,
            first_at: UNIX_EPOCH,
            last_at: UNIX_EPOCH,
        };
        let entry = crate::SendEntry {
            body: String::from("a"),
            attributes: letter.attributes(),
            delay: Duration::ZERO,
        };
        assert_eq!(entry.check(), Ok(()));
        assert_eq!(entry.attributes[SENTENCE], "session \"\u{fffd}\u{fffd}é\" is elsewhere");
    }

    #[test]
    fn a_message_that_sqs_moved_itself_has_no_reason() {
        assert_eq!(DeadLetter::from_attributes(&BTreeMap::new()).unwrap_err().name, REASON);
    }
}
