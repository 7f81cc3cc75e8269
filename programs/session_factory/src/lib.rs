//! Records session requests and emits the events that the service listens to: `session_factory` as Valence wrote it.
#![no_std]

mod anchor;
mod entry;
mod error;
mod events;
mod instructions;
mod log;
mod moment;
mod reservation;
mod state;

use pinocchio::{AccountView, Address, ProgramResult};

use crate::anchor::AnchorError;

pinocchio::program_entrypoint!(process_instruction);
pinocchio::default_allocator!();
pinocchio::nostd_panic_handler!();

/// The program that owns the accounts of sessions, whichever shard they are of.
const SESSION_PROGRAM_ID: Address = Address::from_str_const("Sess1on111111111111111111111111111111111111");

/// Discriminators are `sha256("global:NAME")[..8]`.
const INITIALIZE: [u8; 8] = [175, 175, 109, 31, 13, 152, 155, 237];
const REQUEST_SESSION_CREATION: [u8; 8] = [104, 184, 26, 88, 38, 49, 222, 88];
const UPDATE_SESSION_STATUS: [u8; 8] = [138, 126, 174, 2, 46, 166, 179, 156];
const CLOSE_SESSION: [u8; 8] = [68, 114, 178, 140, 222, 38, 248, 211];
const RESERVE_SESSION: [u8; 8] = [109, 99, 74, 124, 146, 194, 187, 199];
const CREATE_OPTIMISTIC_SESSION: [u8; 8] = [7, 131, 4, 229, 99, 196, 249, 163];
const MANUAL_INITIALIZE_SESSION: [u8; 8] = [226, 148, 184, 147, 29, 25, 102, 164];
const EMERGENCY_RESET_SESSION: [u8; 8] = [27, 107, 11, 244, 194, 40, 241, 93];

/// What an event starts with that a program sends to itself (Anchor's `emit_cpi!`).
const EVENT_INSTRUCTION: [u8; 8] = [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d];

/// As in Anchor, bytes after the arguments are left alone.
fn process_instruction(program_id: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    let Some((discriminator, arguments)) = data.split_first_chunk() else {
        return Err(AnchorError::InstructionFallbackNotFound.into());
    };
    match *discriminator {
        INITIALIZE => instructions::initialize(program_id, accounts),
        REQUEST_SESSION_CREATION => instructions::request_session_creation(program_id, accounts, arguments),
        UPDATE_SESSION_STATUS => instructions::update_session_status(program_id, accounts, arguments),
        CLOSE_SESSION => instructions::close_session(program_id, accounts),
        RESERVE_SESSION => instructions::reserve_session(program_id, accounts, arguments),
        CREATE_OPTIMISTIC_SESSION => instructions::create_optimistic_session(program_id, accounts, arguments),
        MANUAL_INITIALIZE_SESSION => instructions::manual_initialize_session(program_id, accounts, arguments),
        EMERGENCY_RESET_SESSION => instructions::emergency_reset_session(program_id, accounts, arguments),
        EVENT_INSTRUCTION => Err(AnchorError::EventInstructionStub.into()),
        _ => Err(AnchorError::InstructionFallbackNotFound.into()),
    }
}
