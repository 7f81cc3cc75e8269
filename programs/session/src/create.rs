//! `create_session_account(owner, session_id, size)`

use borsh_bytes::Reader;
use pda_account::NewAccount;
use pinocchio::{AccountView, Address, ProgramResult};

use crate::{error::SessionError, seeds::SessionSeeds};

/// The runtime lets one instruction grow an account by at most this.
const MAX_SIZE: u64 = 10_240;

pub(crate) fn create_session_account(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let (seeds, size) = read(arguments)?;
    let [payer, session, system_program, ..] = accounts else {
        return Err(SessionError::MissingAccount.into());
    };
    check(payer, session, system_program)?;
    let bump = [seeds.bump_of(session.address(), program_id)?];
    if session.owned_by(program_id) {
        return Err(SessionError::SessionExists.into());
    }
    NewAccount {
        account: session,
        size,
        program: program_id,
        payer,
        seeds: &seeds.signer(&bump),
    }
    .create()
}

/// The seeds and a size that can be allocated.
#[expect(clippy::cast_possible_truncation, reason = "the size is at most 10,240")]
fn read(arguments: &[u8]) -> Result<(SessionSeeds<'_>, usize), SessionError> {
    let mut reader = Reader::new(arguments);
    let seeds = SessionSeeds::read(&mut reader)?;
    let size = reader.u64()?;
    reader.finish()?;
    if size > MAX_SIZE {
        return Err(SessionError::SizeTooLarge);
    }
    Ok((seeds, size as usize))
}

fn check(payer: &AccountView, session: &AccountView, system_program: &AccountView) -> Result<(), SessionError> {
    if !payer.is_signer() {
        return Err(SessionError::PayerNotSigner);
    }
    if !payer.is_writable() {
        return Err(SessionError::PayerNotWritable);
    }
    if !session.is_writable() {
        return Err(SessionError::SessionNotWritable);
    }
    if *system_program.address() != pinocchio_system::ID {
        return Err(SessionError::WrongSystemProgram);
    }
    Ok(())
}
