//! `close_session()`

use pinocchio::{AccountView, Address, ProgramResult};

use crate::{
    anchor::{self, Accounts, AnchorError},
    entry::{self, Status},
    error::{FactoryError, require},
    log,
    state::StateAccount,
};

/// Ends the session's entry, for its owner or the factory's authority. Nothing is logged of it, and the session can be
/// requested again.
pub(crate) fn close_session(program_id: &Address, accounts: &mut [AccountView]) -> ProgramResult {
    log::instruction("Instruction: CloseSession");
    let mut accounts = Accounts::new(accounts);
    let account = entry::take(&mut accounts, program_id)?;
    let mut state = StateAccount::take(&mut accounts, program_id)?;
    let authority = accounts.signer()?;
    let refund_receiver = accounts.next()?;
    entry::require_writable_entry(account, None, program_id)?;
    if account.address() == refund_receiver.address() {
        return Err(AnchorError::ConstraintClose.into());
    }
    state.require_writable_state(program_id)?;
    anchor::require_writable(refund_receiver)?;

    let was_active = {
        let data = account.try_borrow()?;
        let (session, progress) = entry::read(&data)?;
        let signer = authority.address().as_array();
        require(
            signer == session.owner || *signer == state.state.authority,
            FactoryError::NotAuthorized,
        )?;
        progress.status == Status::Active
    };
    if was_active {
        state.state.count_deactivation();
    }
    state.store()?;
    anchor::close(account, refund_receiver)
}
