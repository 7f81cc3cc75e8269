//! `session_factory`: its id, its addresses, and its instructions with their accounts in the IDL's order.

use borsh::{BorshDeserialize, BorshSerialize};
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use crate::{
    Event, PdaComputedEvent, PdaError, SessionEntry, SessionStatus, address, bounded, discriminator::Discriminator,
    session_address,
};

/// The program id that the IDL names; a deployment may use another.
pub const SESSION_FACTORY_ID: Pubkey = Pubkey::from_str_const("SessFactory11111111111111111111111111111111");

/// The system program, which several instructions take as their last account.
pub(crate) const SYSTEM_PROGRAM_ID: Pubkey = Pubkey::from_str_const("11111111111111111111111111111111");

/// Seed of the factory's state.
pub const STATE_SEED: &[u8] = b"session_factory";

/// First seed of a session's entry.
pub const ENTRY_SEED: &[u8] = b"session_entry";

/// Discriminator of `initialize` (IDL).
pub const INITIALIZE: Discriminator = [175, 175, 109, 31, 13, 152, 155, 237];

/// Discriminator of `request_session_creation` (IDL).
pub const REQUEST_SESSION_CREATION: Discriminator = [104, 184, 26, 88, 38, 49, 222, 88];

/// Discriminator of `update_session_status` (IDL).
pub const UPDATE_SESSION_STATUS: Discriminator = [138, 126, 174, 2, 46, 166, 179, 156];

/// Discriminator of `create_optimistic_session` (programs/README.md).
pub const CREATE_OPTIMISTIC_SESSION: Discriminator = [7, 131, 4, 229, 99, 196, 249, 163];

/// Discriminator of `request_session_creation_cpi` (programs/README.md).
pub const REQUEST_SESSION_CREATION_CPI: Discriminator = [185, 21, 233, 226, 141, 66, 27, 8];

/// Discriminator of `emit_event` (programs/README.md).
pub const EMIT_EVENT: Discriminator = [82, 133, 188, 136, 167, 139, 209, 52];

/// What the data of an instruction starts with by which a program tells itself an event (Anchor's `emit_cpi!`).
pub const EVENT_INSTRUCTION: Discriminator = [228, 69, 165, 46, 81, 203, 154, 29];

/// Seed of the address that signs for `EVENT_INSTRUCTION`, which the program alone can do (Anchor's `emit_cpi!`).
pub const EVENT_AUTHORITY_SEED: &[u8] = b"__event_authority";

/// Bytes of a session account before its session id and namespaces: discriminator, owner, and two length prefixes.
const SIZE_FIXED: u64 = 8 + 32 + 4 + 4;

/// Bytes that a session account has per namespace: the length prefix of its name, and its storage.
const SIZE_PER_NAMESPACE: u64 = 4 + 256;

/// Arguments of `request_session_creation`, in the IDL's order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionRequest {
    /// The session's owner: a seed of its address.
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    pub eval_program: Pubkey,
    /// The session's name: a seed of its address.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Namespaces that the session may use.
    #[borsh(deserialize_with = "bounded::strings")]
    pub namespaces: Vec<String>,
    /// Program of the session's shard, which will own the session's account.
    pub shard_address: Pubkey,
}

impl SessionRequest {
    /// The arguments in the data of a `request_session_creation`, or `None` if it is another instruction.
    ///
    /// # Errors
    /// Borsh's, if the arguments do not decode.
    #[must_use]
    pub fn from_data(data: &[u8]) -> Option<Result<Self, borsh::io::Error>> {
        let mut arguments = data.strip_prefix(&REQUEST_SESSION_CREATION)?;
        Some(Self::deserialize(&mut arguments))
    }

    /// Bytes of account data that the factory asks for with these arguments (programs/README.md).
    #[must_use]
    pub fn expected_size(&self) -> u64 {
        let bytes = |text: &String| text.len() as u64;
        let namespaces: u64 = self
            .namespaces
            .iter()
            .map(|name| SIZE_PER_NAMESPACE + bytes(name))
            .sum();
        SIZE_FIXED + bytes(&self.session_id) + namespaces
    }

    /// The `PDAComputedEvent` that the factory emits for these arguments in `compute_slot` (programs/README.md).
    ///
    /// # Errors
    /// [`PdaError`] if the session can have no address, in which case the factory refuses it too.
    pub fn expected_event(self, compute_slot: u64) -> Result<PdaComputedEvent, PdaError> {
        let (expected_pda, _) = session_address(&self.shard_address, &self.owner, &self.session_id)?;
        Ok(PdaComputedEvent {
            expected_pda,
            expected_size: self.expected_size(),
            expected_owner: self.shard_address,
            session_id: self.session_id,
            owner: self.owner,
            eval_program: self.eval_program,
            shard_address: self.shard_address,
            namespaces: self.namespaces,
            compute_slot,
        })
    }
}

/// What was once asked for, as the factory's own record keeps it.
impl From<SessionEntry> for SessionRequest {
    fn from(entry: SessionEntry) -> Self {
        Self {
            owner: entry.owner,
            eval_program: entry.eval_program,
            session_id: entry.session_id,
            namespaces: entry.namespaces,
            shard_address: entry.shard_address,
        }
    }
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

/// Address that signs for the factory's own event instructions: `["__event_authority"]`.
///
/// # Errors
/// [`PdaError::NoAddress`], which has never been seen.
pub fn event_authority_address(factory: &Pubkey) -> Result<(Pubkey, u8), PdaError> {
    address::find(factory, &[EVENT_AUTHORITY_SEED])
}

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
    let (state, _) = state_address(factory)?;
    let (entry, _) = entry_address(factory, &request.owner, &request.session_id)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new(*requester, true),
            AccountMeta::new(state, false),
            AccountMeta::new(entry, false),
            AccountMeta::new_readonly(SYSTEM_PROGRAM_ID, false),
        ],
        data: instruction_data(REQUEST_SESSION_CREATION, request)?,
    })
}

/// `request_session_creation_cpi(…)`: the same, with its events in instructions that the factory sends to itself.
///
/// # Errors
/// [`InstructionError`] if the session can have no address.
pub fn request_session_creation_cpi(
    factory: &Pubkey,
    requester: &Pubkey,
    request: &SessionRequest,
) -> Result<Instruction, InstructionError> {
    let (event_authority, _) = event_authority_address(factory)?;
    let mut instruction = request_session_creation(factory, requester, request)?;
    instruction.accounts.extend([
        AccountMeta::new_readonly(event_authority, false),
        AccountMeta::new_readonly(*factory, false),
    ]);
    instruction.data = instruction_data(REQUEST_SESSION_CREATION_CPI, request)?;
    Ok(instruction)
}

/// `create_optimistic_session(…)`: logs a `PDAComputedEvent` that asks for no account, and writes nothing.
///
/// # Errors
/// [`InstructionError::Encoding`].
pub fn create_optimistic_session(
    factory: &Pubkey,
    requester: &Pubkey,
    request: &SessionRequest,
) -> Result<Instruction, InstructionError> {
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![AccountMeta::new_readonly(*requester, true)],
        data: instruction_data(CREATE_OPTIMISTIC_SESSION, request)?,
    })
}

/// `emit_event(…)` by the factory's authority: logs one of the events that no request emits.
///
/// # Errors
/// [`InstructionError`].
pub fn emit_event(factory: &Pubkey, authority: &Pubkey, event: &Event) -> Result<Instruction, InstructionError> {
    let (state, _) = state_address(factory)?;
    Ok(Instruction {
        program_id: *factory,
        accounts: vec![
            AccountMeta::new_readonly(state, false),
            AccountMeta::new_readonly(*authority, true),
        ],
        data: [EMIT_EVENT.as_slice(), &event.to_bytes()?].concat(),
    })
}

/// `update_session_status(new_status)` by the factory's authority.
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
        data: instruction_data(UPDATE_SESSION_STATUS, &new_status)?,
    })
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
