//! `close_session()`

use borsh_bytes::Writer;
use pinocchio::{
    AccountView, Address, ProgramResult,
    sysvars::{Sysvar, clock::Clock},
};

use crate::{error::SessionError, log, seeds::SessionSeeds, session_state};

/// `sha256("event:SessionClosedEvent")[..8]`
const SESSION_CLOSED: [u8; 8] = [120, 181, 157, 20, 60, 253, 37, 3];

/// Ends an initialised session for its owner, who gets the account's lamports, whoever has paid them.
pub(crate) fn close_session(program_id: &Address, accounts: &mut [AccountView], arguments: &[u8]) -> ProgramResult {
    if !arguments.is_empty() {
        return Err(SessionError::MalformedArguments.into());
    }
    let [account, owner, ..] = accounts else {
        return Err(SessionError::MissingAccount.into());
    };
    check(account, owner)?;
    if !account.owned_by(program_id) {
        return Err(SessionError::SessionMissing.into());
    }
    log_end_of(account, owner)?;
    let lamports = account.lamports();
    account.set_lamports(0);
    owner.set_lamports(owner.lamports() + lamports);
    account.close()
}

fn check(account: &AccountView, owner: &AccountView) -> Result<(), SessionError> {
    if !account.is_writable() {
        return Err(SessionError::SessionNotWritable);
    }
    if !owner.is_signer() {
        return Err(SessionError::OwnerNotSigner);
    }
    if !owner.is_writable() {
        return Err(SessionError::OwnerNotWritable);
    }
    Ok(())
}

fn log_end_of(account: &AccountView, owner: &AccountView) -> ProgramResult {
    let data = account.try_borrow()?;
    let seeds = session_state::seeds_in(&data).ok_or(SessionError::SessionNotInitialized)?;
    if owner.address().as_array() != seeds.owner {
        return Err(SessionError::WrongOwner.into());
    }
    log::event(&closed(&seeds, Clock::get()?.unix_timestamp));
    Ok(())
}

/// `SessionClosedEvent`
fn closed(seeds: &SessionSeeds<'_>, now: i64) -> Writer {
    let mut event = Writer::with_capacity(8 + 4 + seeds.session_id.len() + 32 + 8);
    event
        .put(&SESSION_CLOSED)
        .put_string(seeds.session_id)
        .put(seeds.owner)
        .put(&now.to_le_bytes());
    event
}
