//! The factory's record of one session, `SessionEntry`.

use borsh_bytes::{Reader, Writer};
use pinocchio::{AccountView, Address, ProgramResult, error::ProgramError};

use crate::{arguments::SessionRequest, error::FactoryError};

/// First seed of an entry's address.
pub(crate) const ENTRY_SEED: &[u8] = b"session_entry";

const ENTRY_ACCOUNT: [u8; 8] = [219, 102, 139, 251, 220, 105, 108, 219];

/// Four public keys, between the discriminator and the strings.
const KEYS: usize = 4 * 32;

/// The fields after the strings, with `activated_at` set.
const TAIL: usize = 1 + 1 + 8 + 8 + (1 + 8) + 8 + 1;

/// `SessionStatus` of the IDL.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    Requested,
    Created,
    Active,
    Closed,
}

impl TryFrom<u8> for Status {
    type Error = FactoryError;

    fn try_from(byte: u8) -> Result<Self, FactoryError> {
        match byte {
            0 => Ok(Self::Requested),
            1 => Ok(Self::Created),
            2 => Ok(Self::Active),
            3 => Ok(Self::Closed),
            _ => Err(FactoryError::MalformedArguments),
        }
    }
}

/// `SessionState::Pending` of the IDL, in which every session starts.
const PENDING: u8 = 0;

/// The fields that change over a session's life, which come after those that do not. Times are unix seconds.
pub(crate) struct EntryTail {
    pub(crate) status: Status,
    optimistic_state: u8,
    created_at: i64,
    pub(crate) last_updated: i64,
    pub(crate) activated_at: Option<i64>,
    optimistic_state_set_at: i64,
    bump: u8,
}

impl EntryTail {
    /// Of a session that was requested at `now`.
    pub(crate) fn requested(now: i64, bump: u8) -> Self {
        Self {
            status: Status::Requested,
            optimistic_state: PENDING,
            created_at: now,
            last_updated: now,
            activated_at: None,
            optimistic_state_set_at: now,
            bump,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FactoryError> {
        Ok(Self {
            status: reader.u8()?.try_into()?,
            optimistic_state: reader.u8()?,
            created_at: reader.i64()?,
            last_updated: reader.i64()?,
            activated_at: if reader.u8()? == 0 { None } else { Some(reader.i64()?) },
            optimistic_state_set_at: reader.i64()?,
            bump: reader.u8()?,
        })
    }

    fn put(&self, writer: &mut Writer) {
        writer
            .put(&[self.status as u8, self.optimistic_state])
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

/// Bytes of a request's entry, with room for `activated_at`.
pub(crate) fn entry_size(request: &SessionRequest<'_>) -> usize {
    ENTRY_ACCOUNT.len() + KEYS + 4 + request.session_id.len() + request.namespaces.borsh.len() + TAIL
}

/// Writes a new entry into the zeroed `account`.
pub(crate) fn write(
    account: &mut AccountView,
    session_address: &Address,
    request: &SessionRequest<'_>,
    tail: &EntryTail,
) -> ProgramResult {
    let mut bytes = Writer::with_capacity(entry_size(request));
    bytes
        .put(&ENTRY_ACCOUNT)
        .put(session_address.as_array())
        .put(request.owner)
        .put(request.eval_program)
        .put(request.shard_address)
        .put_string(request.session_id)
        .put(request.namespaces.borsh);
    tail.put(&mut bytes);
    overwrite(account, 0, bytes.as_slice())
}

/// Reads an entry's tail, and where it starts.
pub(crate) fn load_tail(account: &AccountView, program_id: &Address) -> Result<(usize, EntryTail), ProgramError> {
    if !account.owned_by(program_id) {
        return Err(FactoryError::NotAnEntry.into());
    }
    let data = account.try_borrow()?;
    let start = tail_start(&data).ok_or(FactoryError::NotAnEntry)?;
    Ok((start, EntryTail::read(&mut Reader::new(&data[start..]))?))
}

fn tail_start(data: &[u8]) -> Option<usize> {
    let fields = data.strip_prefix(&ENTRY_ACCOUNT)?;
    let mut reader = Reader::new(fields);
    reader.slice(KEYS).ok()?;
    let session_id = reader.string().ok()?;
    let namespaces = reader.strings().ok()?;
    Some(ENTRY_ACCOUNT.len() + KEYS + 4 + session_id.len() + namespaces.borsh.len())
}

/// Writes an entry's tail back. It never gets shorter: `activated_at` is set once and stays.
pub(crate) fn store_tail(account: &mut AccountView, start: usize, tail: &EntryTail) -> ProgramResult {
    let mut bytes = Writer::with_capacity(TAIL);
    tail.put(&mut bytes);
    overwrite(account, start, bytes.as_slice())
}

fn overwrite(account: &mut AccountView, start: usize, bytes: &[u8]) -> ProgramResult {
    let mut data = account.try_borrow_mut()?;
    let destination = data
        .get_mut(start..start + bytes.len())
        .ok_or(FactoryError::NotAnEntry)?;
    destination.copy_from_slice(bytes);
    Ok(())
}
