//! What can be wrong with a message: always named by field and value, and never cured by trying again.

use serde_json::Value;

/// Most characters of a faulty value that an error repeats: its text ends up in message attributes and logs.
const SHOWN_CHARS_MAX: usize = 120;

/// Why a body is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not JSON at all.
    #[error("the body is not JSON: {detail}")]
    NotJson {
        /// The parser's words, with line and column.
        detail: String,
    },
    /// A version that this code does not read.
    #[error("version {found} of the message is unknown, expected {expected}: it was written by another release", expected = crate::VERSION)]
    UnknownVersion {
        /// The version that the body names.
        found: u64,
    },
    /// A field is not there.
    #[error("{field} is missing")]
    Missing {
        /// Path of the field, e.g. `event.owner`.
        field: String,
    },
    /// A field holds what its type cannot.
    #[error("{field} is {value}, expected {expected}")]
    Invalid {
        /// Path of the field, e.g. `event.owner`.
        field: String,
        /// Its value as JSON, shortened if long.
        value: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// The message itself cannot be written.
    #[error("the message cannot be written as JSON: {detail}")]
    Unwritable {
        /// What stood in the way.
        detail: String,
    },
}

/// A value as an error shows it.
pub(crate) fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((cut, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        text.truncate(cut);
        text.push('…');
    }
    text
}
