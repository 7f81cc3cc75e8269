//! `emergency_reset_session(session_id, reset_to_status)`

use borsh_bytes::{Malformed, Reader};
use pinocchio::{AccountView, Address, ProgramResult, error::ProgramError};

use crate::{
    anchor::{self, Accounts, AnchorError},
    entry::{self, OptimisticState, Status},
    events::{self, Operation, Reset},
    log,
    moment::Moment,
    state::StateAccount,
};

/// Sets both of the session's statuses, for its owner or the factory's authority. Active sessions are not counted anew.
pub(crate) fn emergency_reset_session(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    log::instruction("Instruction: EmergencyResetSession");
    let (session_id, status) = read(arguments).map_err(|_| AnchorError::InstructionDidNotDeserialize)?;
    let mut accounts = Accounts::new(accounts);
    let authority = accounts.signer()?;
    let account = entry::take(&mut accounts, program_id)?;
    let state = StateAccount::take(&mut accounts, program_id)?;
    anchor::require_writable(authority)?;
    entry::require_writable_entry(account, Some(session_id), program_id)?;
    require_owner_or_authority(account, authority, &state)?;
    state.require_address(program_id)?;

    let now = Moment::now()?.unix_timestamp;
    let progress = {
        let data = account.try_borrow()?;
        let (session, mut progress) = entry::read(&data)?;
        let old = (progress.status, progress.optimistic_state);
        progress.status = status;
        progress.optimistic_state = optimistic_state_of(status);
        progress.last_updated = now;
        progress.optimistic_state_set_at = now;
        if status != Status::Active {
            progress.activated_at = None;
        }
        let operation = Operation {
            session: &session,
            session_id,
            authority: authority.address().as_array(),
            at: now,
        };
        let reset = Reset {
            old,
            new: (progress.status, progress.optimistic_state),
        };
        log::event(&events::emergency_session_reset(&operation, &reset));
        progress
    };
    entry::store(account, &progress)
}

fn read(arguments: &[u8]) -> Result<(&[u8], Status), Malformed> {
    let mut reader = Reader::new(arguments);
    Ok((reader.string()?, Status::read(&mut reader)?))
}

fn require_owner_or_authority(
    account: &AccountView,
    signer: &AccountView,
    state: &StateAccount<'_>,
) -> Result<(), ProgramError> {
    let data = account.try_borrow()?;
    let (session, _) = entry::read(&data)?;
    let signer = signer.address().as_array();
    if signer == session.owner || *signer == state.state.authority {
        Ok(())
    } else {
        Err(AnchorError::ConstraintRaw.into())
    }
}

fn optimistic_state_of(status: Status) -> OptimisticState {
    match status {
        Status::Requested | Status::Created => OptimisticState::Pending,
        Status::Active => OptimisticState::Active,
        Status::Closed => OptimisticState::Closed,
    }
}
