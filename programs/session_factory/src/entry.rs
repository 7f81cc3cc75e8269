//! The factory's record of one session, `SessionEntry`.

use borsh_bytes::{Malformed, Reader, Strings, Writer};
use pinocchio::{AccountView, Address, ProgramResult, error::ProgramError};

use crate::anchor::{self, Accounts, AnchorError};

/// First seed of an entry's address.
pub(crate) const ENTRY_SEED: &[u8] = b"session_entry";

const ENTRY_ACCOUNT: [u8; 8] = [219, 102, 139, 251, 220, 105, 108, 219];

/// Four public keys, between the discriminator and the strings.
const KEYS: usize = 4 * 32;

/// The fields after the strings, with `activated_at` set.
const TAIL: usize = 1 + 1 + 8 + 8 + (1 + 8) + 8 + 1;

/// Bytes at the end of an entry's account that are never used.
const PADDING: usize = 64;

/// `SessionStatus` of the IDL.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    Requested,
    Created,
    Active,
    Closed,
}

impl Status {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u8()? {
            0 => Ok(Self::Requested),
            1 => Ok(Self::Created),
            2 => Ok(Self::Active),
            3 => Ok(Self::Closed),
            _ => Err(Malformed),
        }
    }
}

/// `SessionState` of the IDL.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OptimisticState {
    Pending,
    Active,
    Closed,
}

impl OptimisticState {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u8()? {
            0 => Ok(Self::Pending),
            1 => Ok(Self::Active),
            2 => Ok(Self::Closed),
            _ => Err(Malformed),
        }
    }
}

/// The fields that stay as they were requested. Strings and lists are slices of somebody else's bytes.
#[derive(Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the IDL's names")]
pub(crate) struct Session<'a> {
    pub(crate) address: &'a [u8; 32],
    pub(crate) owner: &'a [u8; 32],
    pub(crate) eval_program: &'a [u8; 32],
    pub(crate) shard_address: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) namespaces: Strings<'a>,
}

impl<'a> Session<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            address: reader.array()?,
            owner: reader.array()?,
            eval_program: reader.array()?,
            shard_address: reader.array()?,
            session_id: reader.string()?,
            namespaces: reader.strings()?,
        })
    }

    /// Where the fields that change begin in an entry's account.
    fn end(&self) -> usize {
        ENTRY_ACCOUNT.len() + KEYS + 4 + self.session_id.len() + self.namespaces.borsh.len()
    }
}

/// The fields that change over a session's life, which come after those that do not. Times are unix seconds.
pub(crate) struct Progress {
    pub(crate) status: Status,
    pub(crate) optimistic_state: OptimisticState,
    created_at: i64,
    pub(crate) last_updated: i64,
    pub(crate) activated_at: Option<i64>,
    pub(crate) optimistic_state_set_at: i64,
    bump: u8,
}

impl Progress {
    /// Of a session that was requested at `now`.
    fn requested(now: i64, bump: u8) -> Self {
        Self {
            status: Status::Requested,
            optimistic_state: OptimisticState::Pending,
            created_at: now,
            last_updated: now,
            activated_at: None,
            optimistic_state_set_at: now,
            bump,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            status: Status::read(reader)?,
            optimistic_state: OptimisticState::read(reader)?,
            created_at: reader.i64()?,
            last_updated: reader.i64()?,
            activated_at: if reader.bool()? { Some(reader.i64()?) } else { None },
            optimistic_state_set_at: reader.i64()?,
            bump: reader.u8()?,
        })
    }

    fn put(&self, writer: &mut Writer) {
        writer
            .put(&[self.status as u8, self.optimistic_state as u8])
            .put(&self.created_at.to_le_bytes())
            .put(&self.last_updated.to_le_bytes());
        match self.activated_at {
            Some(time) => writer.put(&[1]).put(&time.to_le_bytes()),
            None => writer.put(&[0]),
        };
        writer
            .put(&self.optimistic_state_set_at.to_le_bytes())
            .put(&[self.bump]);
    }
}

/// Bytes of the account of an entry with these strings.
pub(crate) fn space(session_id: &[u8], namespaces: &Strings<'_>) -> usize {
    ENTRY_ACCOUNT.len() + KEYS + 4 + session_id.len() + namespaces.borsh.len() + TAIL + PADDING
}

/// Writes the entry of a session that was requested at `now` into its zeroed account.
pub(crate) fn write_requested(account: &mut AccountView, session: &Session<'_>, now: i64, bump: u8) -> ProgramResult {
    let mut bytes = Writer::with_capacity(session.end() + TAIL);
    bytes
        .put(&ENTRY_ACCOUNT)
        .put(session.address)
        .put(session.owner)
        .put(session.eval_program)
        .put(session.shard_address)
        .put_string(session.session_id)
        .put(session.namespaces.borsh);
    Progress::requested(now, bump).put(&mut bytes);
    overwrite(account, 0, bytes.as_slice())
}

/// The next of `accounts`, which holds an entry that can be read.
pub(crate) fn take<'a>(accounts: &mut Accounts<'a>, program_id: &Address) -> Result<&'a mut AccountView, ProgramError> {
    let account = accounts.owned(program_id, ENTRY_ACCOUNT)?;
    read(&account.try_borrow()?)?;
    Ok(account)
}

/// The entry in an account's data.
pub(crate) fn read(data: &[u8]) -> Result<(Session<'_>, Progress), AnchorError> {
    let mut reader = Reader::new(data.get(ENTRY_ACCOUNT.len()..).unwrap_or_default());
    let session = Session::read(&mut reader).map_err(|_| AnchorError::AccountDidNotDeserialize)?;
    let progress = Progress::read(&mut reader).map_err(|_| AnchorError::AccountDidNotDeserialize)?;
    Ok((session, progress))
}

/// The constraints `seeds` and `mut`. The seeds are the entry's own owner and bump, and `session_id` if one is given,
/// else the entry's own.
pub(crate) fn require_writable_entry(
    account: &AccountView,
    session_id: Option<&[u8]>,
    program_id: &Address,
) -> Result<(), ProgramError> {
    let data = account.try_borrow()?;
    let (session, progress) = read(&data)?;
    let session_id = session_id.unwrap_or(session.session_id);
    let seeds: [&[u8]; 4] = [ENTRY_SEED, session.owner, session_id, &[progress.bump]];
    anchor::require_address(account, &seeds, program_id)?;
    anchor::require_writable(account)?;
    Ok(())
}

/// Writes back what changed. An entry that gets shorter, because `activated_at` is unset, leaves the last bytes of what
/// it was before behind it, as Anchor does.
pub(crate) fn store(account: &mut AccountView, progress: &Progress) -> ProgramResult {
    let start = read(&account.try_borrow()?)?.0.end();
    let mut bytes = Writer::with_capacity(TAIL);
    progress.put(&mut bytes);
    overwrite(account, start, bytes.as_slice())
}

fn overwrite(account: &mut AccountView, start: usize, bytes: &[u8]) -> ProgramResult {
    let mut data = account.try_borrow_mut()?;
    let destination = data
        .get_mut(start..start + bytes.len())
        .ok_or(AnchorError::AccountDidNotSerialize)?;
    destination.copy_from_slice(bytes);
    Ok(())
}
