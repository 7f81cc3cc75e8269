//! Why the program refuses an instruction.

use borsh_bytes::Malformed;
use pinocchio::error::ProgramError;

/// Custom error codes, from 6000 as Anchor numbers them. The order is part of the interface.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum FactoryError {
    /// The data starts with no discriminator of this program.
    UnknownInstruction = 6000,
    /// Too short, too long, an unknown status, or no UTF-8 where a string is due.
    MalformedArguments,
    /// Fewer accounts than the instruction takes.
    MissingAccount,
    /// Requester or authority did not sign.
    MissingSignature,
    /// An account that the instruction writes is read-only.
    NotWritable,
    WrongSystemProgram,
    /// The state given is not `["session_factory"]`.
    WrongStateAddress,
    /// `initialize` a second time.
    StateExists,
    /// Anything else before `initialize`.
    StateMissing,
    /// A seed has at most 32 bytes.
    SessionIdTooLong,
    /// The entry given is not the address of the seeds given.
    WrongEntryAddress,
    /// The session was requested before.
    EntryExists,
    /// The account given is no entry of this factory.
    NotAnEntry,
    /// The signer is not the authority of the factory's state.
    WrongAuthority,
    /// `emit_event` with a discriminator that it does not emit.
    UnknownEvent,
    /// Not `["__event_authority"]`, or not signed by it.
    WrongEventAuthority,
    /// The program given is not this one.
    WrongProgram,
}

impl From<FactoryError> for ProgramError {
    fn from(error: FactoryError) -> Self {
        Self::Custom(error as u32)
    }
}

impl From<Malformed> for FactoryError {
    fn from(_: Malformed) -> Self {
        Self::MalformedArguments
    }
}
