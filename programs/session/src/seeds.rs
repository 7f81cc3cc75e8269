//! What a session's address is made of.

use borsh_bytes::{Malformed, Reader};
use pinocchio::{Address, address::MAX_SEED_LEN, cpi::Seed};

use crate::error::SessionError;

const SESSION_SEED: &[u8] = b"session";

/// The two seeds that tell one session from another.
#[derive(Clone, Copy)]
pub(crate) struct SessionSeeds<'a> {
    pub(crate) owner: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
}

impl<'a> SessionSeeds<'a> {
    /// Reads the two, whatever they are.
    pub(crate) fn read(arguments: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            owner: arguments.array()?,
            session_id: arguments.string()?,
        })
    }

    /// Refuses what is no seed.
    pub(crate) fn check(&self) -> Result<(), SessionError> {
        if self.session_id.len() > MAX_SEED_LEN {
            Err(SessionError::SessionIdTooLong)
        } else {
            Ok(())
        }
    }

    /// The bump of these seeds, if `address` is theirs under `program_id`. They were checked.
    pub(crate) fn bump_of(&self, address: &Address, program_id: &Address) -> Result<u8, SessionError> {
        match Address::try_find_program_address(&[SESSION_SEED, self.owner, self.session_id], program_id) {
            Some((expected, bump)) if expected == *address => Ok(bump),
            _ => Err(SessionError::WrongSessionAddress),
        }
    }

    /// The seeds with which the program signs for the address.
    pub(crate) fn signer<'s>(&'s self, bump: &'s [u8; 1]) -> [Seed<'s>; 4] {
        [
            SESSION_SEED.into(),
            self.owner.into(),
            self.session_id.into(),
            bump.into(),
        ]
    }
}
