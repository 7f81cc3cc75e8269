//! Why a request can never succeed.

use solana_pubkey::Pubkey;
use thiserror::Error;

/// A refusal for good: trying again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// A seed has 32 bytes at most.
    #[error("the session id has {length} bytes and a seed at most {limit}: no such account can exist")]
    SessionIdTooLong {
        /// Bytes of the id.
        length: usize,
        /// Bytes of a seed.
        limit: usize,
    },
    /// The program has no address for these seeds.
    #[error("program {program} has no address for these seeds")]
    NoAddress {
        /// The program.
        program: Pubkey,
    },
    /// The address is not the one of the seeds.
    #[error("the address {expected} was asked for, but the seeds give {derived}")]
    AddressMismatch {
        /// The claimed address.
        expected: Pubkey,
        /// The address that follows from the seeds.
        derived: Pubkey,
    },
    /// Larger than the policy allows.
    #[error("an account of {size} bytes was asked for, and {limit} is the limit")]
    SizeOverLimit {
        /// Bytes asked for.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The owner program is not on the allow-list.
    #[error("program {program} is not among the {allowed} programs whose accounts may be created")]
    OwnerProgramNotAllowed {
        /// The program.
        program: Pubkey,
        /// Length of the allow-list.
        allowed: usize,
    },
}

impl Rejection {
    /// Name of the rule in metrics, logs and dead letters.
    #[must_use]
    pub fn reason_code(&self) -> &'static str {
        match self {
            Self::SessionIdTooLong { .. } => "session_id_too_long",
            Self::NoAddress { .. } => "no_address",
            Self::AddressMismatch { .. } => "address_mismatch",
            Self::SizeOverLimit { .. } => "size_over_limit",
            Self::OwnerProgramNotAllowed { .. } => "owner_program_not_allowed",
        }
    }
}
