//! The factory's instructions with their accounts, in the program's order.

use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use super::{
    Arguments, CLOSE_SESSION, EmergencyReset, INITIALIZE, InstructionError, ManualInitialization, OptimisticRequest,
    ReservationRequest, SYSTEM_PROGRAM_ID, SessionRequest, StatusUpdate, entry_address, reservation_address,
    state_address,
};
use crate::SessionStatus;

/// `initialize()`: creates the factory's state, once per deployment.
///
/// # Errors
/// [`InstructionError::Address`].
pub fn initialize(factory: &Pubkey, authority: &Pubkey) -> Result<Instruction, InstructionError> {
    let (state, _) = state_address(factory)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new(state, false),
            AccountMeta::new(*authority, true),
            AccountMeta::new_readonly(SYSTEM_PROGRAM_ID, false),
        ],
        data: INITIALIZE.to_vec(),
    })
}

/// `request_session_creation(…)`: writes the session's entry and logs the events that this service lives on.
///
/// # Errors
/// [`InstructionError`] if the session can have no address.
pub fn request_session_creation(
    factory: &Pubkey,
    requester: &Pubkey,
    request: &SessionRequest,
) -> Result<Instruction, InstructionError> {
    let (entry, _) = entry_address(factory, &request.owner, &request.session_id)?;
    requested(factory, requester, entry, request.to_data()?)
}

/// `create_optimistic_session(…)`: writes the entry of a session that asks for no account.
///
/// # Errors
/// [`InstructionError`] if the session's entry can have no address.
pub fn create_optimistic_session(
    factory: &Pubkey,
    creator: &Pubkey,
    request: &OptimisticRequest,
) -> Result<Instruction, InstructionError> {
    let (entry, _) = entry_address(factory, &request.owner, &request.session_id)?;
    requested(factory, creator, entry, request.to_data()?)
}

/// What both ways to a new entry have in common.
fn requested(
    factory: &Pubkey,
    requester: &Pubkey,
    entry: Pubkey,
    data: Vec<u8>,
) -> Result<Instruction, InstructionError> {
    let (state, _) = state_address(factory)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new(*requester, true),
            AccountMeta::new(state, false),
            AccountMeta::new(entry, false),
            AccountMeta::new_readonly(SYSTEM_PROGRAM_ID, false),
        ],
        data,
    })
}

/// `update_session_status(new_status)`, which any signer may send.
///
/// # Errors
/// [`InstructionError::Address`].
pub fn update_session_status(
    factory: &Pubkey,
    authority: &Pubkey,
    entry: &Pubkey,
    new_status: SessionStatus,
) -> Result<Instruction, InstructionError> {
    let (state, _) = state_address(factory)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new(*entry, false),
            AccountMeta::new(state, false),
            AccountMeta::new_readonly(*authority, true),
        ],
        data: StatusUpdate { new_status }.to_data()?,
    })
}

/// `close_session()` by the session's owner or the factory's authority: the entry is gone, its rent with `refund_receiver`.
///
/// # Errors
/// [`InstructionError::Address`].
pub fn close_session(
    factory: &Pubkey,
    authority: &Pubkey,
    entry: &Pubkey,
    refund_receiver: &Pubkey,
) -> Result<Instruction, InstructionError> {
    let (state, _) = state_address(factory)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new(*entry, false),
            AccountMeta::new(state, false),
            AccountMeta::new_readonly(*authority, true),
            AccountMeta::new(*refund_receiver, false),
        ],
        data: CLOSE_SESSION.to_vec(),
    })
}

/// `reserve_session(…)`: keeps a session's name for its owner.
///
/// # Errors
/// [`InstructionError`] if the reservation can have no address.
pub fn reserve_session(
    factory: &Pubkey,
    reserver: &Pubkey,
    request: &ReservationRequest,
) -> Result<Instruction, InstructionError> {
    let (reservation, _) = reservation_address(factory, reserver, &request.reservation_id)?;
    requested(factory, reserver, reservation, request.to_data()?)
}

/// `manual_initialize_session(…)`: makes a session active.
///
/// # Errors
/// [`InstructionError`].
pub fn manual_initialize_session(
    factory: &Pubkey,
    authority: &Pubkey,
    entry: &Pubkey,
    arguments: &ManualInitialization,
) -> Result<Instruction, InstructionError> {
    let (state, _) = state_address(factory)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new(*authority, true),
            AccountMeta::new(*entry, false),
            AccountMeta::new(state, false),
        ],
        data: arguments.to_data()?,
    })
}

/// `emergency_reset_session(…)` by the session's owner or the factory's authority.
///
/// # Errors
/// [`InstructionError`].
pub fn emergency_reset_session(
    factory: &Pubkey,
    authority: &Pubkey,
    entry: &Pubkey,
    arguments: &EmergencyReset,
) -> Result<Instruction, InstructionError> {
    let (state, _) = state_address(factory)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new(*authority, true),
            AccountMeta::new(*entry, false),
            AccountMeta::new_readonly(state, false),
        ],
        data: arguments.to_data()?,
    })
}
