//! Records session requests and emits the events that the service listens to, in the layout of the factory's IDL.
#![no_std]

mod accounts;
mod arguments;
mod emit;
mod entry;
mod error;
mod events;
mod initialize;
mod request;
mod self_call;
mod state;
mod update_status;

use pinocchio::{AccountView, Address, ProgramResult};

use crate::error::FactoryError;

pinocchio::program_entrypoint!(process_instruction);
pinocchio::default_allocator!();
pinocchio::nostd_panic_handler!();

/// Discriminators are `sha256("global:NAME")[..8]`; the first three are the IDL's.
const INITIALIZE: [u8; 8] = [175, 175, 109, 31, 13, 152, 155, 237];
const REQUEST_SESSION_CREATION: [u8; 8] = [104, 184, 26, 88, 38, 49, 222, 88];
const UPDATE_SESSION_STATUS: [u8; 8] = [138, 126, 174, 2, 46, 166, 179, 156];
const CREATE_OPTIMISTIC_SESSION: [u8; 8] = [7, 131, 4, 229, 99, 196, 249, 163];
const REQUEST_SESSION_CREATION_CPI: [u8; 8] = [185, 21, 233, 226, 141, 66, 27, 8];
const EMIT_EVENT: [u8; 8] = [82, 133, 188, 136, 167, 139, 209, 52];

fn process_instruction(program_id: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    let Some((discriminator, arguments)) = data.split_first_chunk() else {
        return Err(FactoryError::UnknownInstruction.into());
    };
    match *discriminator {
        INITIALIZE => initialize::initialize(program_id, accounts, arguments),
        REQUEST_SESSION_CREATION => request::request_session_creation(program_id, accounts, arguments),
        REQUEST_SESSION_CREATION_CPI => request::request_session_creation_cpi(program_id, accounts, arguments),
        CREATE_OPTIMISTIC_SESSION => request::create_optimistic_session(accounts, arguments),
        UPDATE_SESSION_STATUS => update_status::update_session_status(program_id, accounts, arguments),
        EMIT_EVENT => emit::emit_event(program_id, accounts, arguments),
        self_call::EVENT_TAG => self_call::receive(program_id, accounts),
        _ => Err(FactoryError::UnknownInstruction.into()),
    }
}
