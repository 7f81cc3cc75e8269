//! Why the program refuses what an instruction asks for.

use pinocchio::error::ProgramError;

/// Custom error codes, from 6000 as Anchor numbers them. The order is part of the interface, so those that no
/// instruction of this program gives have their places too (`programs/README.md` lists them all).
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum FactoryError {
    /// All zeroes.
    InvalidOwner = 6_000,
    /// All zeroes.
    InvalidEvalProgram,
    /// Empty, or longer than a seed of an address can be.
    InvalidSessionId,
    /// More than ten.
    TooManyNamespaces,
    /// All zeroes.
    InvalidShard,
    /// Neither the session's owner nor the factory's authority.
    NotAuthorized,
    /// Empty, or longer than a seed of an address can be.
    InvalidReservationId,
    /// Not within 1 to 168 hours.
    InvalidReservationDuration,
    /// Both a template and a configuration, or neither.
    InvalidReservationConfig,
    /// `manual_initialize_session` of an active session.
    SessionAlreadyActive = 6_016,
}

impl From<FactoryError> for ProgramError {
    fn from(error: FactoryError) -> Self {
        Self::Custom(error as u32)
    }
}

/// Fails with `error` unless `holds`.
pub(crate) fn require(holds: bool, error: FactoryError) -> Result<(), ProgramError> {
    if holds { Ok(()) } else { Err(error.into()) }
}
