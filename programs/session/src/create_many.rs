//! `create_session_accounts([(owner, session_id, size)])`

use borsh_bytes::{Malformed, Reader};
use pinocchio::{
    AccountView, Address, ProgramResult,
    error::ProgramError,
    sysvars::{Sysvar, rent::Rent},
};

use crate::{
    create::{require_payer, require_system_program},
    error::SessionError,
    log,
    wanted::{Terms, Wanted},
};

/// Does for each of a list what `create_session_account` does for one, or nothing at all. A member that can't be served
/// is named by its place.
pub(crate) fn create_session_accounts(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let count = count(arguments).map_err(SessionError::from)?;
    let [payer, system_program, sessions @ ..] = accounts else {
        return Err(SessionError::MissingAccount.into());
    };
    require_payer(payer)?;
    require_system_program(system_program)?;
    if sessions.len() < count {
        return Err(SessionError::MissingAccount.into());
    }
    if sessions.len() > count {
        return Err(SessionError::UnexpectedAccount.into());
    }
    let rent = Rent::get()?;
    let terms = Terms {
        program_id,
        payer,
        rent: &rent,
    };
    let mut reader = Reader::new(arguments);
    reader.u32().map_err(SessionError::from)?;
    for (place, session) in sessions.iter_mut().enumerate() {
        let wanted = Wanted::read(&mut reader).map_err(SessionError::from)?;
        provide(&wanted, session, terms, place)?;
    }
    Ok(())
}

/// The length of the list, whose members can all be read. One that can't has no place that could be named.
fn count(arguments: &[u8]) -> Result<usize, Malformed> {
    let mut reader = Reader::new(arguments);
    let count = reader.u32()?;
    for _ in 0..count {
        Wanted::read(&mut reader)?;
    }
    reader.finish()?;
    Ok(count as usize)
}

fn provide(wanted: &Wanted<'_>, session: &mut AccountView, terms: Terms<'_>, place: usize) -> Result<(), ProgramError> {
    let deed = wanted.deed(session, terms.program_id).map_err(|error| {
        log::member(place, error.name());
        error.of_member(place)
    })?;
    wanted.carry_out(&deed, session, terms)
}
