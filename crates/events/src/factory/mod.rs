//! `session_factory`: its id, its addresses, the size that it asks for, and its instructions.

mod arguments;
mod instructions;

use borsh::BorshSerialize;
use solana_pubkey::Pubkey;

use crate::{PdaError, address, discriminator::Discriminator};

pub use arguments::{
    Arguments, EmergencyReset, ManualInitialization, OptimisticRequest, ReservationRequest, SessionRequest,
    StatusUpdate,
};
pub use instructions::{
    close_session, create_optimistic_session, emergency_reset_session, initialize, manual_initialize_session,
    request_session_creation, reserve_session, update_session_status,
};

/// The program id that the IDL names; a deployment may use another.
pub const SESSION_FACTORY_ID: Pubkey = Pubkey::from_str_const("SessFactory11111111111111111111111111111111");

/// The system program, which several instructions take as their last account.
pub(crate) const SYSTEM_PROGRAM_ID: Pubkey = Pubkey::from_str_const("11111111111111111111111111111111");

/// Seed of the factory's state.
pub const STATE_SEED: &[u8] = b"session_factory";

/// First seed of a session's entry.
pub const ENTRY_SEED: &[u8] = b"session_entry";

/// First seed of a reservation.
pub const RESERVATION_SEED: &[u8] = b"session_reservation";

/// Discriminator of `initialize` (IDL).
pub const INITIALIZE: Discriminator = [175, 175, 109, 31, 13, 152, 155, 237];

/// Discriminator of `request_session_creation` (IDL).
pub const REQUEST_SESSION_CREATION: Discriminator = [104, 184, 26, 88, 38, 49, 222, 88];

/// Discriminator of `update_session_status` (IDL).
pub const UPDATE_SESSION_STATUS: Discriminator = [138, 126, 174, 2, 46, 166, 179, 156];

/// Discriminator of `close_session` (IDL).
pub const CLOSE_SESSION: Discriminator = [68, 114, 178, 140, 222, 38, 248, 211];

/// Discriminator of `reserve_session` (IDL).
pub const RESERVE_SESSION: Discriminator = [109, 99, 74, 124, 146, 194, 187, 199];

/// Discriminator of `create_optimistic_session` (IDL).
pub const CREATE_OPTIMISTIC_SESSION: Discriminator = [7, 131, 4, 229, 99, 196, 249, 163];

/// Discriminator of `manual_initialize_session` (IDL).
pub const MANUAL_INITIALIZE_SESSION: Discriminator = [226, 148, 184, 147, 29, 25, 102, 164];

/// Discriminator of `emergency_reset_session` (IDL).
pub const EMERGENCY_RESET_SESSION: Discriminator = [27, 107, 11, 244, 194, 40, 241, 93];

/// What the data of an instruction starts with by which a program tells itself an event (Anchor's `emit_cpi!`).
pub const EVENT_INSTRUCTION: Discriminator = [228, 69, 165, 46, 81, 203, 154, 29];

/// Seed of the address that signs for `EVENT_INSTRUCTION`, which the program alone can do (Anchor's `emit_cpi!`).
pub const EVENT_AUTHORITY_SEED: &[u8] = b"__event_authority";

/// Bytes of a session account without its texts: discriminator, owner, eval program, the length prefixes of the session id
/// and of the namespaces, two times, a flag, a bump and what is kept free.
const SIZE_FIXED: u64 = 8 + 32 + 32 + 4 + 4 + 8 + 8 + 1 + 1 + 64;

/// Bytes of a namespace's length prefix.
const SIZE_PER_NAMESPACE: u64 = 4;

/// Sizes are multiples of it.
const SIZE_STEP: u64 = 8;

/// Bytes of account data that the factory asks for: the same for an optimistic session, which has no namespaces.
#[must_use]
pub fn session_size(session_id: &str, namespaces: &[String]) -> u64 {
    let namespaces: u64 = namespaces
        .iter()
        .map(|name| SIZE_PER_NAMESPACE + name.len() as u64)
        .sum();
    (SIZE_FIXED + session_id.len() as u64 + namespaces).next_multiple_of(SIZE_STEP)
}

/// The IDL's name of the instruction that starts with these bytes.
#[must_use]
pub fn instruction_name(discriminator: &Discriminator) -> Option<&'static str> {
    Some(match *discriminator {
        INITIALIZE => "initialize",
        REQUEST_SESSION_CREATION => "request_session_creation",
        UPDATE_SESSION_STATUS => "update_session_status",
        CLOSE_SESSION => "close_session",
        RESERVE_SESSION => "reserve_session",
        CREATE_OPTIMISTIC_SESSION => "create_optimistic_session",
        MANUAL_INITIALIZE_SESSION => "manual_initialize_session",
        EMERGENCY_RESET_SESSION => "emergency_reset_session",
        _ => return None,
    })
}

/// Address of the factory's state: `["session_factory"]`.
///
/// # Errors
/// [`PdaError::NoAddress`], which has never been seen.
pub fn state_address(factory: &Pubkey) -> Result<(Pubkey, u8), PdaError> {
    address::find(factory, &[STATE_SEED])
}

/// Address of a session's entry: `["session_entry", owner, session_id]`.
///
/// # Errors
/// [`PdaError`] if no such address can exist.
pub fn entry_address(factory: &Pubkey, owner: &Pubkey, session_id: &str) -> Result<(Pubkey, u8), PdaError> {
    address::derive(factory, ENTRY_SEED, owner, session_id)
}

/// Address of a reservation: `["session_reservation", reserver, reservation_id]`.
///
/// # Errors
/// [`PdaError`] if no such address can exist.
pub fn reservation_address(
    factory: &Pubkey,
    reserver: &Pubkey,
    reservation_id: &str,
) -> Result<(Pubkey, u8), PdaError> {
    address::derive(factory, RESERVATION_SEED, reserver, reservation_id)
}

/// Address that signs for the factory's own event instructions: `["__event_authority"]`.
///
/// # Errors
/// [`PdaError::NoAddress`], which has never been seen.
pub fn event_authority_address(factory: &Pubkey) -> Result<(Pubkey, u8), PdaError> {
    address::find(factory, &[EVENT_AUTHORITY_SEED])
}

/// Discriminator, then the arguments in Borsh.
pub(crate) fn instruction_data(
    discriminator: Discriminator,
    arguments: &impl BorshSerialize,
) -> Result<Vec<u8>, InstructionError> {
    let mut data = discriminator.to_vec();
    borsh::to_writer(&mut data, arguments)?;
    Ok(data)
}

/// Why an instruction could not be built.
#[derive(Debug, thiserror::Error)]
pub enum InstructionError {
    /// One of its accounts can have no address.
    #[error(transparent)]
    Address(#[from] PdaError),
    /// An argument is longer than Borsh can say.
    #[error("instruction arguments do not encode: {0}")]
    Encoding(#[from] borsh::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_formula_and_end_on_a_step() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(session_size("abcdef", &[]), 168);
        assert_eq!(session_size("abcdefg", &[]), 176);
        assert_eq!(session_size("", &[]), 168, "162 is no multiple of 8");
        assert_eq!(
            session_size("abc", &names(&["one", "four"])),
            184,
            "162 + 3 + 7 + 8 is 180"
        );
        assert_eq!(
            session_size("ä", &names(&[""])),
            168,
            "bytes count, and an empty name has a prefix"
        );
    }
}
