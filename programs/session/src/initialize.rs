//! `initialize_session(owner, eval_program, session_id, namespaces)`

use borsh_bytes::{Reader, Writer};
use pinocchio::{
    AccountView, Address, ProgramResult,
    sysvars::{Sysvar, clock::Clock},
};

use crate::{error::SessionError, log, session_state::NewSession};

/// `sha256("event:SessionInitializedEvent")[..8]`
const SESSION_INITIALIZED: [u8; 8] = [227, 109, 119, 74, 107, 90, 17, 107];

/// Makes a session of its zeroed account. What evaluates it is for its owner to say, who has to have signed.
pub(crate) fn initialize_session(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let new = read(arguments)?;
    let [account, owner, ..] = accounts else {
        return Err(SessionError::MissingAccount.into());
    };
    check(account, owner, &new)?;
    let bump = new.seeds.bump_of(account.address(), program_id)?;
    if !account.owned_by(program_id) {
        return Err(SessionError::SessionMissing.into());
    }
    let now = Clock::get()?.unix_timestamp;
    write(account, new.state(now, bump).as_slice())?;
    log::event(&initialized(&new, now));
    Ok(())
}

fn read(arguments: &[u8]) -> Result<NewSession<'_>, SessionError> {
    let mut reader = Reader::new(arguments);
    let new = NewSession::read(&mut reader)?;
    reader.finish()?;
    Ok(new)
}

fn check(account: &AccountView, owner: &AccountView, new: &NewSession<'_>) -> Result<(), SessionError> {
    new.seeds.check()?;
    if *new.eval_program == [0; 32] {
        return Err(SessionError::InvalidEvalProgram);
    }
    if !account.is_writable() {
        return Err(SessionError::SessionNotWritable);
    }
    if !owner.is_signer() {
        return Err(SessionError::OwnerNotSigner);
    }
    if owner.address().as_array() != new.seeds.owner {
        return Err(SessionError::WrongOwner);
    }
    Ok(())
}

fn write(account: &mut AccountView, state: &[u8]) -> ProgramResult {
    let mut data = account.try_borrow_mut()?;
    if data.iter().any(|byte| *byte != 0) {
        return Err(SessionError::SessionInitialized.into());
    }
    let destination = data.get_mut(..state.len()).ok_or(SessionError::SessionTooSmall)?;
    destination.copy_from_slice(state);
    Ok(())
}

/// `SessionInitializedEvent`
#[expect(clippy::cast_possible_truncation, reason = "the event has one byte for it")]
fn initialized(new: &NewSession<'_>, now: i64) -> Writer {
    let mut event = Writer::with_capacity(8 + 4 + new.seeds.session_id.len() + 32 + 32 + 1 + 8);
    event
        .put(&SESSION_INITIALIZED)
        .put_string(new.seeds.session_id)
        .put(new.seeds.owner)
        .put(new.eval_program)
        .put(&[new.namespaces.count as u8])
        .put(&now.to_le_bytes());
    event
}
