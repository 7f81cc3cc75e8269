//! Why the program refuses an instruction.

use borsh_bytes::Malformed;
use pinocchio::error::ProgramError;

/// Custom error codes, from 6000 as Anchor numbers them. The order is part of the interface.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum SessionError {
    /// The data starts with no discriminator of this program.
    UnknownInstruction = 6000,
    /// Too short, too long, or no UTF-8 where a string is due.
    MalformedArguments,
    /// Fewer accounts than the instruction takes.
    MissingAccount,
    PayerNotSigner,
    PayerNotWritable,
    SessionNotWritable,
    WrongSystemProgram,
    /// A seed has at most 32 bytes.
    SessionIdTooLong,
    /// The account given is not the address of the seeds given.
    WrongSessionAddress,
    /// One CPI can allocate at most 10,240 bytes.
    SizeTooLarge,
    /// This program owns an account there already.
    SessionExists,
    /// `initialize_session` before `create_session_account`.
    SessionMissing,
    /// The account cannot hold the initialised layout.
    SessionTooSmall,
    /// The account's data is not all zeroes any more.
    SessionInitialized,
}

impl From<SessionError> for ProgramError {
    fn from(error: SessionError) -> Self {
        Self::Custom(error as u32)
    }
}

impl From<Malformed> for SessionError {
    fn from(_: Malformed) -> Self {
        Self::MalformedArguments
    }
}
