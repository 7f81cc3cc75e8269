//! Why the program refuses an instruction.

use borsh_bytes::Malformed;
use pinocchio::error::ProgramError;

/// Custom error codes, from 6000 as Anchor numbers them. The order is part of the interface.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum SessionError {
    /// The data starts with no discriminator of this program.
    UnknownInstruction = 6_000,
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
    /// One instruction can give an account at most 10,240 bytes.
    SizeTooLarge,
    /// This program owns an account there already, and it is long enough or in use.
    SessionExists,
    /// `initialize_session` before `create_session_account`.
    SessionMissing,
    /// The account cannot hold the initialised layout.
    SessionTooSmall,
    /// The account's data is not all zeroes any more.
    SessionInitialized,
    /// `create_session_accounts` with more accounts than sessions.
    UnexpectedAccount,
    OwnerNotSigner,
    /// The account given is not the session's owner.
    WrongOwner,
    /// The owner gets the rent, so its lamports have to be able to change.
    OwnerNotWritable,
    /// All zeroes.
    InvalidEvalProgram,
    /// `close_session` of something that is no initialised session.
    SessionNotInitialized,
}

/// An error of a member of `create_session_accounts` is its code times this, plus its place in the list.
const MEMBER: u32 = 1_000;

impl SessionError {
    /// As the error of the member at `place`, counted from 0. A transaction has no room for a thousand.
    #[expect(clippy::cast_possible_truncation, reason = "an instruction has at most 255 accounts")]
    pub(crate) fn of_member(self, place: usize) -> ProgramError {
        ProgramError::Custom(self as u32 * MEMBER + place as u32)
    }

    /// What the log says of the errors that a member can have.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SessionNotWritable => "SessionNotWritable",
            Self::SessionIdTooLong => "SessionIdTooLong",
            Self::WrongSessionAddress => "WrongSessionAddress",
            Self::SizeTooLarge => "SizeTooLarge",
            Self::SessionExists => "SessionExists",
            _ => "refused",
        }
    }
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
