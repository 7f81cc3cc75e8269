//! `session`: the program that owns session accounts, and the only one that can sign for their addresses
//! (`docs/integration.md`, "Why the program has to help").

use borsh::{BorshDeserialize, BorshSerialize};
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use crate::{
    address::session_address,
    discriminator::Discriminator,
    factory::{InstructionError, SYSTEM_PROGRAM_ID, instruction_data},
};

/// The program that owns the accounts of all sessions, whichever shard they are of: `session_factory` names no other.
pub const SESSION_PROGRAM_ID: Pubkey = Pubkey::from_str_const("Sess1on111111111111111111111111111111111111");

/// Discriminator of `create_session_account`: `sha256("global:create_session_account")[..8]`.
pub const CREATE_SESSION_ACCOUNT: Discriminator = [132, 104, 174, 56, 159, 63, 195, 116];

/// Discriminator of `create_session_accounts`: `sha256("global:create_session_accounts")[..8]`.
pub const CREATE_SESSION_ACCOUNTS: Discriminator = [242, 141, 10, 121, 81, 163, 246, 222];

/// Discriminator of `create_session_accounts_packed`: `sha256("global:create_session_accounts_packed")[..8]`.
pub const CREATE_SESSION_ACCOUNTS_PACKED: Discriminator = [249, 132, 205, 3, 101, 239, 220, 116];

/// Discriminator of `initialize_session`: `sha256("global:initialize_session")[..8]`.
pub const INITIALIZE_SESSION: Discriminator = [69, 130, 92, 236, 107, 231, 159, 129];

/// Discriminator of `close_session`: `sha256("global:close_session")[..8]`.
pub const CLOSE_SESSION: Discriminator = [68, 114, 178, 140, 222, 38, 248, 211];

/// First eight bytes of an initialised session account: `sha256("account:SessionState")[..8]`.
pub const SESSION_STATE: Discriminator = [81, 115, 163, 194, 253, 90, 118, 39];

/// Most bytes of data that one CPI can allocate (the runtime's `MAX_PERMITTED_DATA_INCREASE`).
pub const MAX_ACCOUNT_SIZE: u64 = 10_240;

/// A member of `create_session_accounts` that is refused fails the instruction with its own error's code times this, plus
/// its place in the list.
pub const MEMBER_ERROR: u32 = 1_000;

/// Where an initialised session account has its id: after discriminator, owner and `eval_program`.
const SESSION_ID_AT: usize = 8 + 32 + 32;

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

/// Arguments of `initialize_session`, in upstream's order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct SessionInitialization {
    /// The session's owner: a seed of its address, and the instruction's signer.
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    pub eval_program: Pubkey,
    /// The session's name: a seed of its address.
    pub session_id: String,
    /// Namespaces that the session may use.
    pub namespaces: Vec<String>,
}

/// What an initialised session account holds after [`SESSION_STATE`] (upstream's `SessionState`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionAccount {
    /// The session's owner.
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    pub eval_program: Pubkey,
    /// The session's name.
    pub session_id: String,
    /// Namespaces that the session may use.
    pub namespaces: Vec<String>,
    /// Whether the session is in use.
    pub is_active: bool,
    /// What its owner says of it.
    pub metadata: SessionMetadata,
    /// Functions executed so far.
    pub total_executions: u64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub last_activity: i64,
    /// Bump of the session's address.
    pub bump: u8,
}

/// What a session's owner says of it (upstream's `SessionMetadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionMetadata {
    /// Free text.
    pub description: String,
    /// Free texts.
    pub tags: Vec<String>,
    /// Seconds that the session may last; 0 for ever.
    pub max_lifetime: i64,
}

/// Whether an account's data begins as an initialised session of this owner and name. Nothing is decoded or allocated.
#[must_use]
pub fn is_initialised_as(data: &[u8], owner: &Pubkey, session_id: &str) -> bool {
    let name = data
        .get(SESSION_ID_AT..)
        .and_then(|name| name.split_first_chunk::<4>())
        .is_some_and(|(length, name)| {
            usize::try_from(u32::from_le_bytes(*length)) == Ok(session_id.len())
                && name.starts_with(session_id.as_bytes())
        });
    let owned = data
        .strip_prefix(&SESSION_STATE)
        .is_some_and(|fields| fields.starts_with(owner.as_ref()));
    owned && name
}

/// `create_session_account(owner, session_id, size)` of the program `session`, with the accounts of its IDL in their order.
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

/// `create_session_accounts([(owner, session_id, size)])`: the same for each of a list, in one instruction.
///
/// # Errors
/// [`InstructionError`] if a session can have no address.
pub fn create_session_accounts(
    session_program: &Pubkey,
    payer: &Pubkey,
    requests: &[AccountRequest],
) -> Result<Instruction, InstructionError> {
    let data = instruction_data(CREATE_SESSION_ACCOUNTS, &requests)?;
    for_each(session_program, payer, requests, data)
}

/// `create_session_accounts_packed(…)`: the same with a list that is written shorter (see [`PackedList`]).
///
/// # Errors
/// [`InstructionError`] if a session can have no address.
pub fn create_session_accounts_packed(
    session_program: &Pubkey,
    payer: &Pubkey,
    requests: &[AccountRequest],
) -> Result<Instruction, InstructionError> {
    let mut list = PackedList::default();
    for AccountRequest {
        owner,
        session_id,
        size,
    } in requests
    {
        list.push(owner, session_id, *size);
    }
    let data = [&CREATE_SESSION_ACCOUNTS_PACKED[..], &list.into_bytes()].concat();
    for_each(session_program, payer, requests, data)
}

/// The argument of `create_session_accounts_packed`. A member is its owner (the place of an owner who was named before, or the
/// next place and then 32 bytes), the bytes of its id after one of length, and its size in two bytes. No count precedes them.
#[derive(Clone, Debug, Default)]
pub struct PackedList {
    owners: Vec<Pubkey>,
    bytes: Vec<u8>,
}

impl PackedList {
    /// Appends a member. One that cannot be written, because its id has over 255 bytes or its size takes more than two, is
    /// written as the largest that can, which the program refuses.
    pub fn push(&mut self, owner: &Pubkey, session_id: &str, size: u64) {
        let known = self.owners.iter().position(|known| known == owner);
        self.bytes.push(narrow(known.unwrap_or(self.owners.len())));
        if known.is_none() {
            self.owners.push(*owner);
            self.bytes.extend_from_slice(owner.as_ref());
        }
        let id = session_id.as_bytes();
        self.bytes.push(narrow(id.len()));
        self.bytes.extend(id.iter().take(usize::from(u8::MAX)));
        self.bytes.extend(u16::try_from(size).unwrap_or(u16::MAX).to_le_bytes());
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn narrow(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn for_each(
    session_program: &Pubkey,
    payer: &Pubkey,
    requests: &[AccountRequest],
    data: Vec<u8>,
) -> Result<Instruction, InstructionError> {
    let mut accounts = vec![
        AccountMeta::new(*payer, true),
        AccountMeta::new_readonly(SYSTEM_PROGRAM_ID, false),
    ];
    for request in requests {
        let (session, _) = session_address(session_program, &request.owner, &request.session_id)?;
        accounts.push(AccountMeta::new(session, false));
    }
    Ok(Instruction {
        program_id: *session_program,
        accounts,
        data,
    })
}

/// `initialize_session(…)` by the session's owner: makes a session of its zeroed account.
///
/// # Errors
/// [`InstructionError`] if the session can have no address.
pub fn initialize_session(
    session_program: &Pubkey,
    initialization: &SessionInitialization,
) -> Result<Instruction, InstructionError> {
    let SessionInitialization { owner, session_id, .. } = initialization;
    let (session, _) = session_address(session_program, owner, session_id)?;
    Ok(Instruction {
        program_id: *session_program,
        accounts: vec![
            AccountMeta::new(session, false),
            AccountMeta::new_readonly(*owner, true),
        ],
        data: instruction_data(INITIALIZE_SESSION, initialization)?,
    })
}

/// `close_session()` by the session's owner, who gets the account's lamports, whoever has paid them.
///
/// # Errors
/// [`InstructionError`] if the session can have no address.
pub fn close_session(
    session_program: &Pubkey,
    owner: &Pubkey,
    session_id: &str,
) -> Result<Instruction, InstructionError> {
    let (session, _) = session_address(session_program, owner, session_id)?;
    Ok(Instruction {
        program_id: *session_program,
        accounts: vec![AccountMeta::new(session, false), AccountMeta::new(*owner, true)],
        data: CLOSE_SESSION.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(owner: Pubkey, session_id: &str) -> Vec<u8> {
        let mut data = SESSION_STATE.to_vec();
        let account = SessionAccount {
            owner,
            eval_program: Pubkey::new_from_array([8; 32]),
            session_id: session_id.to_owned(),
            namespaces: vec!["default".to_owned()],
            is_active: true,
            metadata: SessionMetadata::default(),
            total_executions: 0,
            created_at: 1,
            last_activity: 1,
            bump: 255,
        };
        borsh::to_writer(&mut data, &account).unwrap();
        data
    }

    #[test]
    fn an_initialised_account_is_the_session_of_its_owner_and_name_alone() {
        let owner = Pubkey::new_from_array([7; 32]);
        let data = account(owner, "session-1");
        assert!(is_initialised_as(&data, &owner, "session-1"));
        assert!(
            !is_initialised_as(&data, &owner, "session-"),
            "a beginning is not the name"
        );
        assert!(!is_initialised_as(&data, &owner, "session-2"));
        assert!(!is_initialised_as(&data, &Pubkey::new_from_array([9; 32]), "session-1"));
        for length in 0..SESSION_ID_AT + 4 + 9 {
            assert!(!is_initialised_as(&data[..length], &owner, "session-1"));
        }
        let other_kind = [&[0; 8], &data[8..]].concat();
        assert!(!is_initialised_as(&other_kind, &owner, "session-1"));
    }
}
