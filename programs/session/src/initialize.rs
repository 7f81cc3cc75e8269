//! `initialize_session(owner, session_id)`

use borsh_bytes::{Reader, Writer};
use pinocchio::{AccountView, Address, ProgramResult};

use crate::{error::SessionError, seeds::SessionSeeds};

/// `sha256("account:Session")[..8]`
const SESSION_ACCOUNT: [u8; 8] = [243, 81, 72, 115, 214, 188, 72, 144];

/// Writes the layout's head. It needs nobody's signature: the address alone decides what is written.
pub(crate) fn initialize_session(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let mut reader = Reader::new(arguments);
    let seeds = SessionSeeds::read(&mut reader)?;
    reader.finish().map_err(SessionError::from)?;
    let [session, ..] = accounts else {
        return Err(SessionError::MissingAccount.into());
    };
    if !session.is_writable() {
        return Err(SessionError::SessionNotWritable.into());
    }
    seeds.bump_of(session.address(), program_id)?;
    if !session.owned_by(program_id) {
        return Err(SessionError::SessionMissing.into());
    }
    write(session, &seeds)
}

fn write(session: &mut AccountView, seeds: &SessionSeeds<'_>) -> ProgramResult {
    let mut data = session.try_borrow_mut()?;
    if data.iter().any(|byte| *byte != 0) {
        return Err(SessionError::SessionInitialized.into());
    }
    let mut head = Writer::with_capacity(SESSION_ACCOUNT.len() + 32 + 4 + seeds.session_id.len());
    head.put(&SESSION_ACCOUNT).put(seeds.owner).put_string(seeds.session_id);
    let head = head.as_slice();
    let Some(destination) = data.get_mut(..head.len()) else {
        return Err(SessionError::SessionTooSmall.into());
    };
    destination.copy_from_slice(head);
    Ok(())
}
