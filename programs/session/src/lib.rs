//! The program that owns session accounts. A session's address has no key, so this program alone can sign for it.
#![no_std]

mod close;
mod create;
mod create_many;
mod error;
mod initialize;
mod list;
mod log;
mod seeds;
mod session_state;
mod wanted;

use pinocchio::{AccountView, Address, ProgramResult};

use crate::error::SessionError;

pinocchio::program_entrypoint!(process_instruction);
pinocchio::default_allocator!();
pinocchio::nostd_panic_handler!();

/// Discriminators are `sha256("global:NAME")[..8]`.
const CREATE_SESSION_ACCOUNT: [u8; 8] = [132, 104, 174, 56, 159, 63, 195, 116];
const CREATE_SESSION_ACCOUNTS: [u8; 8] = [242, 141, 10, 121, 81, 163, 246, 222];
const CREATE_SESSION_ACCOUNTS_PACKED: [u8; 8] = [249, 132, 205, 3, 101, 239, 220, 116];
const INITIALIZE_SESSION: [u8; 8] = [69, 130, 92, 236, 107, 231, 159, 129];
const CLOSE_SESSION: [u8; 8] = [68, 114, 178, 140, 222, 38, 248, 211];

fn process_instruction(program_id: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    let Some((discriminator, arguments)) = data.split_first_chunk() else {
        return Err(SessionError::UnknownInstruction.into());
    };
    match *discriminator {
        CREATE_SESSION_ACCOUNT => create::create_session_account(program_id, accounts, arguments),
        CREATE_SESSION_ACCOUNTS => create_many::create_session_accounts(program_id, accounts, arguments),
        CREATE_SESSION_ACCOUNTS_PACKED => create_many::create_session_accounts_packed(program_id, accounts, arguments),
        INITIALIZE_SESSION => initialize::initialize_session(program_id, accounts, arguments),
        CLOSE_SESSION => close::close_session(program_id, accounts, arguments),
        _ => Err(SessionError::UnknownInstruction.into()),
    }
}
