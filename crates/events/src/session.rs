//! `session`: the program that owns session accounts, and the only one that can sign for their addresses
//! (DESIGN, "a PDA cannot sign").

use borsh::BorshSerialize;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use crate::{
    address::session_address,
    discriminator::Discriminator,
    factory::{InstructionError, SYSTEM_PROGRAM_ID, instruction_data},
};

/// Id of the program that this project ships.
pub const SESSION_PROGRAM_ID: Pubkey = Pubkey::from_str_const("Session111111111111111111111111111111111111");

/// Discriminator of `create_session_account`: `sha256("global:create_session_account")[..8]`.
pub const CREATE_SESSION_ACCOUNT: Discriminator = [132, 104, 174, 56, 159, 63, 195, 116];

/// Discriminator of `initialize_session`: `sha256("global:initialize_session")[..8]`.
pub const INITIALIZE_SESSION: Discriminator = [69, 130, 92, 236, 107, 231, 159, 129];

/// First eight bytes of an initialised session account: `sha256("account:Session")[..8]`.
pub const SESSION_ACCOUNT: Discriminator = [243, 81, 72, 115, 214, 188, 72, 144];

/// Most bytes of data that one CPI can allocate (DESIGN; the runtime's `MAX_PERMITTED_DATA_INCREASE`).
pub const MAX_ACCOUNT_SIZE: u64 = 10_240;

/// Arguments of `create_session_account`, in the design's order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct AccountRequest {
    /// The session's owner: a seed of its address.
    pub owner: Pubkey,
    /// The session's name: a seed of its address.
    pub session_id: String,
    /// Bytes of zeroed data.
    pub size: u64,
}

/// `create_session_account(owner, session_id, size)` of the program `session`, with the design's accounts in the design's order.
///
/// # Errors
/// [`InstructionError`] if the session can have no address.
pub fn create_session_account(
    session_program: &Pubkey,
    payer: &Pubkey,
    request: &AccountRequest,
) -> Result<Instruction, InstructionError> {
    let (session, _) = session_address(session_program, &request.owner, &request.session_id)?;
    Ok(Instruction {
        program_id: *session_program,
        accounts: vec![
            AccountMeta::new(*payer, true),
            AccountMeta::new(session, false),
            AccountMeta::new_readonly(SYSTEM_PROGRAM_ID, false),
        ],
        data: instruction_data(CREATE_SESSION_ACCOUNT, request)?,
    })
}

/// `initialize_session(owner, session_id)`: writes the session's owner and name into its zeroed account.
///
/// # Errors
/// [`InstructionError`] if the session can have no address.
pub fn initialize_session(
    session_program: &Pubkey,
    owner: &Pubkey,
    session_id: &str,
) -> Result<Instruction, InstructionError> {
    let (session, _) = session_address(session_program, owner, session_id)?;
    Ok(Instruction {
        program_id: *session_program,
        accounts: vec![AccountMeta::new(session, false)],
        data: instruction_data(INITIALIZE_SESSION, &(owner, session_id))?,
    })
}
