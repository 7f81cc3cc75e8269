//! The program that owns session accounts. A session's address has no key, so this program alone can sign for it.
#![no_std]

mod create;
mod error;
mod initialize;
mod seeds;

use pinocchio::{AccountView, Address, ProgramResult};

use crate::error::SessionError;

pinocchio::program_entrypoint!(process_instruction);
pinocchio::default_allocator!();
pinocchio::nostd_panic_handler!();

/// `sha256("global:create_session_account")[..8]`
const CREATE_SESSION_ACCOUNT: [u8; 8] = [132, 104, 174, 56, 159, 63, 195, 116];
/// `sha256("global:initialize_session")[..8]`
const INITIALIZE_SESSION: [u8; 8] = [69, 130, 92, 236, 107, 231, 159, 129];

fn process_instruction(program_id: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    let Some((discriminator, arguments)) = data.split_first_chunk() else {
        return Err(SessionError::UnknownInstruction.into());
    };
    match *discriminator {
        CREATE_SESSION_ACCOUNT => create::create_session_account(program_id, accounts, arguments),
        INITIALIZE_SESSION => initialize::initialize_session(program_id, accounts, arguments),
        _ => Err(SessionError::UnknownInstruction.into()),
    }
}
