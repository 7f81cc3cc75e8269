//! In what an account on chain differs from the one that was asked for.

use solana_pubkey::Pubkey;
use thiserror::Error;

/// In what an existing account differs from the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// Another program owns it.
    #[error("its owner is {found}, not {expected}")]
    Owner {
        /// The owner asked for.
        expected: Pubkey,
        /// The owner on chain.
        found: Pubkey,
    },
    /// Its data has another length.
    #[error("its data has {found} bytes, not {expected}")]
    Length {
        /// Bytes asked for.
        expected: u64,
        /// Bytes on chain.
        found: u64,
    },
    /// Its data is neither zeroes nor this session.
    #[error("its data is neither zeroes nor the beginning of this session's: it begins with {beginning:02x?}")]
    Content {
        /// The first bytes.
        beginning: Vec<u8>,
    },
    /// It is a program.
    #[error("it is executable")]
    Executable,
}

impl Mismatch {
    /// Name of the difference in metrics, logs and dead letters.
    #[must_use]
    pub fn reason_code(&self) -> &'static str {
        match self {
            Self::Owner { .. } => "owner_mismatch",
            Self::Length { .. } => "length_mismatch",
            Self::Content { .. } => "content_mismatch",
            Self::Executable => "executable_account",
        }
    }
}
