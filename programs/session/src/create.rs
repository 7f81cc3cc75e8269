//! `create_session_account(owner, session_id, size)`

use borsh_bytes::Reader;
use pinocchio::{
    AccountView, Address, ProgramResult,
    sysvars::{Sysvar, rent::Rent},
};

use crate::{
    error::SessionError,
    wanted::{Terms, Wanted},
};

/// Creates the session's account, or grows it if somebody has created it too short.
pub(crate) fn create_session_account(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let wanted = read(arguments)?;
    let [payer, session, system_program, ..] = accounts else {
        return Err(SessionError::MissingAccount.into());
    };
    require_payer(payer)?;
    require_system_program(system_program)?;
    let deed = wanted.deed(session, program_id)?;
    let rent = Rent::get()?;
    let terms = Terms {
        program_id,
        payer,
        rent: &rent,
    };
    wanted.carry_out(&deed, session, terms)
}

fn read(arguments: &[u8]) -> Result<Wanted<'_>, SessionError> {
    let mut reader = Reader::new(arguments);
    let wanted = Wanted::read(&mut reader)?;
    reader.finish()?;
    Ok(wanted)
}

/// Nobody can be made to pay.
pub(crate) fn require_payer(payer: &AccountView) -> Result<(), SessionError> {
    if !payer.is_signer() {
        return Err(SessionError::PayerNotSigner);
    }
    if !payer.is_writable() {
        return Err(SessionError::PayerNotWritable);
    }
    Ok(())
}

pub(crate) fn require_system_program(account: &AccountView) -> Result<(), SessionError> {
    if *account.address() == pinocchio_system::ID {
        Ok(())
    } else {
        Err(SessionError::WrongSystemProgram)
    }
}
