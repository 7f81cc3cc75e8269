//! What is not believed, and why: every line that looked like an event and is none.

use crate::discriminator::Discriminator;

/// A line that is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index into the transaction's log lines.
    pub line: usize,
    /// Why not.
    pub reason: RefusalReason,
}

/// Why a line is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// An event's discriminator, printed while another program was executing.
    #[error("looks like an event of session_factory, but was printed by program {program}")]
    WrongProgram {
        /// The program that was executing.
        program: String,
    },
    /// The transaction failed: nothing in it has happened.
    #[error("printed in a transaction that failed")]
    FailedTransaction,
    /// The line's data is no base64.
    #[error("its data is not base64")]
    BadBase64,
    /// Fewer bytes than a discriminator has.
    #[error("{length} bytes of data, too few for the 8 of an event's discriminator")]
    NoDiscriminator {
        /// Bytes that there were.
        length: usize,
    },
    /// No known event starts with these bytes.
    #[error("no known event has the discriminator {0:?}")]
    UnknownDiscriminator(Discriminator),
    /// The user's IDL declares the event by a type that cannot be read.
    #[error("{name} is declared by the IDL in a way that cannot be read: {detail}")]
    NoLayout {
        /// Its name in the IDL.
        name: String,
        /// What is wrong with the declaration.
        detail: String,
    },
    /// The event's bytes end before its fields do, or a field holds what its type cannot.
    #[error("{name} does not decode: {detail}")]
    ShortBorsh {
        /// IDL name of the event.
        name: String,
        /// What was found.
        detail: String,
    },
    /// Bytes follow the event's last field: the layout that wrote it is not the one known here.
    #[error("{name} has {trailing} bytes after its last field")]
    TrailingBytes {
        /// IDL name of the event.
        name: String,
        /// Bytes left over.
        trailing: usize,
    },
    /// The runtime dropped lines from here on.
    #[error("the runtime cut the logs here")]
    Truncated,
    /// The frames of the instruction that printed it contradict each other or stay open.
    #[error("the invoke stack around it does not balance")]
    Unbalanced,
}

impl RefusalReason {
    /// The reason as a metric's label.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongProgram { .. } => "wrong_program",
            Self::FailedTransaction => "failed_transaction",
            Self::BadBase64 => "bad_base64",
            Self::NoDiscriminator { .. } => "no_discriminator",
            Self::UnknownDiscriminator(_) => "unknown_discriminator",
            Self::NoLayout { .. } => "no_layout",
            Self::ShortBorsh { .. } => "short_borsh",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::Truncated => "truncated",
            Self::Unbalanced => "unbalanced",
        }
    }

    /// IDL name of the event, where it is known.
    #[must_use]
    pub fn event_name(&self) -> Option<&str> {
        match self {
            Self::NoLayout { name, .. } | Self::ShortBorsh { name, .. } | Self::TrailingBytes { name, .. } => {
                Some(name)
            }
            _ => None,
        }
    }
}
