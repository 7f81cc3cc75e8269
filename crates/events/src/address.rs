//! The addresses that follow from a session's seeds.

use solana_pubkey::{MAX_SEED_LEN, Pubkey};

/// First seed of a session account.
pub const SESSION_SEED: &[u8] = b"session";

/// The address of a session's account and its bump: `["session", owner, session_id]` under `owner_program`
/// (`docs/contract.md`, "On the wire").
///
/// # Errors
/// [`PdaError`] if no such address can exist.
pub fn session_address(owner_program: &Pubkey, owner: &Pubkey, session_id: &str) -> Result<(Pubkey, u8), PdaError> {
    derive(owner_program, SESSION_SEED, owner, session_id)
}

/// `[prefix, owner, session_id]` under `program`.
pub(crate) fn derive(
    program: &Pubkey,
    prefix: &[u8],
    owner: &Pubkey,
    session_id: &str,
) -> Result<(Pubkey, u8), PdaError> {
    if session_id.len() > MAX_SEED_LEN {
        return Err(PdaError::SessionIdTooLong {
            session_id: session_id.to_owned(),
            length: session_id.len(),
        });
    }
    find(program, &[prefix, owner.as_ref(), session_id.as_bytes()])
}

/// The first bump, from 255 down, that leaves the curve.
pub(crate) fn find(program: &Pubkey, seeds: &[&[u8]]) -> Result<(Pubkey, u8), PdaError> {
    Pubkey::try_find_program_address(seeds, program).ok_or(PdaError::NoAddress { program: *program })
}

/// Why a session can have no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PdaError {
    /// The runtime takes seeds of at most 32 bytes.
    #[error(
        "session_id {session_id:?} has {length} bytes, and a seed of an address at most {MAX_SEED_LEN}: it can have no account"
    )]
    SessionIdTooLong {
        /// The name as given.
        session_id: String,
        /// Its bytes.
        length: usize,
    },
    /// All 256 bumps lie on the curve; has never been seen.
    #[error("program {program} has no address off the curve for these seeds")]
    NoAddress {
        /// The program that the address was sought under.
        program: Pubkey,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bytes_are_a_seed_and_thirty_three_are_not() {
        let program = Pubkey::new_from_array([7; 32]);
        let owner = Pubkey::new_from_array([9; 32]);
        let longest = "ä".repeat(16);
        let (address, bump) = session_address(&program, &owner, &longest).unwrap();
        let again =
            Pubkey::create_program_address(&[b"session", owner.as_ref(), longest.as_bytes(), &[bump]], &program);
        assert_eq!(again, Ok(address));

        let too_long = "x".repeat(33);
        assert_eq!(
            session_address(&program, &owner, &too_long),
            Err(PdaError::SessionIdTooLong {
                session_id: too_long,
                length: 33
            })
        );
    }
}
