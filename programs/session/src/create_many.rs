//! `create_session_accounts(list)` and `create_session_accounts_packed(list)`

use pinocchio::{
    AccountView, Address, ProgramResult,
    error::ProgramError,
    sysvars::{Sysvar, rent::Rent},
};

use crate::{
    create::{require_payer, require_system_program},
    error::SessionError,
    list::List,
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
    let list = List::borsh(arguments).map_err(SessionError::from)?;
    create_each(program_id, accounts, &list)
}

/// The same, with a list that is written shorter.
pub(crate) fn create_session_accounts_packed(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    create_each(program_id, accounts, &List::packed(arguments))
}

fn create_each(program_id: &Address, accounts: &mut [AccountView], list: &List<'_>) -> ProgramResult {
    let count = list.count().map_err(SessionError::from)?;
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
    let mut members = list.members();
    for (place, session) in sessions.iter_mut().enumerate() {
        let wanted = members.next().map_err(SessionError::from)?;
        provide(&wanted, session, terms, place)?;
    }
    Ok(())
}

fn provide(wanted: &Wanted<'_>, session: &mut AccountView, terms: Terms<'_>, place: usize) -> Result<(), ProgramError> {
    let deed = wanted.deed(session, terms.program_id).map_err(|error| {
        log::member(place, error.name());
        error.of_member(place)
    })?;
    wanted.carry_out(&deed, session, terms)
}
