//! `manual_initialize_session(session_id, force_activation)`

use borsh_bytes::{Malformed, Reader};
use pinocchio::{AccountView, Address, ProgramResult};

use crate::{
    anchor::{self, Accounts, AnchorError},
    entry::{self, OptimisticState, Status},
    error::{FactoryError, require},
    events::{self, Operation},
    log,
    moment::Moment,
    state::StateAccount,
};

/// Activates a session that is not active, whoever signs.
pub(crate) fn manual_initialize_session(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    log::instruction("Instruction: ManualInitializeSession");
    let (session_id, force_activation) = read(arguments).map_err(|_| AnchorError::InstructionDidNotDeserialize)?;
    let mut accounts = Accounts::new(accounts);
    let authority = accounts.signer()?;
    let account = entry::take(&mut accounts, program_id)?;
    let mut state = StateAccount::take(&mut accounts, program_id)?;
    anchor::require_writable(authority)?;
    entry::require_writable_entry(account, Some(session_id), program_id)?;
    state.require_writable_state(program_id)?;

    let now = Moment::now()?.unix_timestamp;
    let progress = {
        let data = account.try_borrow()?;
        let (session, mut progress) = entry::read(&data)?;
        require(progress.status != Status::Active, FactoryError::SessionAlreadyActive)?;
        progress.status = Status::Active;
        progress.optimistic_state = OptimisticState::Active;
        progress.activated_at = Some(now);
        progress.last_updated = now;
        progress.optimistic_state_set_at = now;
        let operation = Operation {
            session: &session,
            session_id,
            authority: authority.address().as_array(),
            at: now,
        };
        log::event(&events::manual_session_initialized(&operation, force_activation));
        progress
    };
    state.state.count_activation();
    entry::store(account, &progress)?;
    state.store()
}

fn read(arguments: &[u8]) -> Result<(&[u8], bool), Malformed> {
    let mut reader = Reader::new(arguments);
    Ok((reader.string()?, reader.bool()?))
}
