//! What can be wrong with an IDL, and with bytes that should follow one.

/// Why a JSON is no IDL that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdlError {
    /// Not JSON at all.
    #[error("the IDL is not JSON: {detail}")]
    NotJson {
        /// The parser's words, with line and column.
        detail: String,
    },
    /// Something that an IDL must have is not there.
    #[error("{path} is missing in the IDL")]
    Missing {
        /// Where in the JSON.
        path: String,
    },
    /// Something is there and cannot be used.
    #[error("{path} of the IDL is {value}, expected {expected}")]
    Invalid {
        /// Where in the JSON.
        path: String,
        /// What is there, as JSON, shortened if long.
        value: String,
        /// What could have been used.
        expected: &'static str,
    },
    /// A type is used and not declared.
    #[error("{path} of the IDL names the type {name:?}, which it does not declare")]
    UnknownType {
        /// Where in the JSON.
        path: String,
        /// The name.
        name: String,
    },
    /// Two events cannot be told apart.
    #[error("events {first} and {second} of the IDL have the same discriminator")]
    SameDiscriminator {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
}

/// Why bytes do not follow a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct ValueError {
    /// Path of the field in the event, e.g. `attestation.creation_parameters.metadata.2.key`; empty for the event itself.
    pub field: String,
    /// What is wrong there.
    pub fault: ValueFault,
}

/// What is wrong with the bytes of one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// Fewer bytes than the field needs, or than its length prefix claims.
    #[error("needs {needed} bytes, {left} are left")]
    Short {
        /// Bytes, or at least as many elements, that should follow.
        needed: usize,
        /// Bytes that do.
        left: usize,
    },
    /// A tag byte that means nothing.
    #[error("{found} is no {of}")]
    BadTag {
        /// The byte.
        found: u8,
        /// What it should have chosen.
        of: &'static str,
    },
    /// A type that the IDL does not declare; reading the IDL finds these first.
    #[error("its type {name:?} is not declared")]
    Undeclared {
        /// The type's name.
        name: String,
    },
    /// Text that is not UTF-8.
    #[error("its text is not UTF-8")]
    NotUtf8,
    /// Types inside types, deeper than any event needs.
    #[error("nested deeper than {max} levels")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// More values than any event holds.
    #[error("more than {max} values")]
    TooMany {
        /// The limit.
        max: usize,
    },
}
