//! `update_session_status(new_status)`

use borsh_bytes::Reader;
use pinocchio::{AccountView, Address, ProgramResult};

use crate::{
    anchor::{Accounts, AnchorError},
    entry::{self, Status},
    events, log,
    moment::Moment,
    state::StateAccount,
};

/// Sets the session's status, whoever signs.
pub(crate) fn update_session_status(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    log::instruction("Instruction: UpdateSessionStatus");
    let new_status =
        Status::read(&mut Reader::new(arguments)).map_err(|_| AnchorError::InstructionDidNotDeserialize)?;
    let mut accounts = Accounts::new(accounts);
    let account = entry::take(&mut accounts, program_id)?;
    let mut state = StateAccount::take(&mut accounts, program_id)?;
    let authority = accounts.signer()?;
    entry::require_writable_entry(account, None, program_id)?;
    state.require_writable_state(program_id)?;

    let moment = Moment::now()?;
    let progress = {
        let data = account.try_borrow()?;
        let (session, mut progress) = entry::read(&data)?;
        match (progress.status == Status::Active, new_status == Status::Active) {
            (false, true) => {
                progress.activated_at = Some(moment.unix_timestamp);
                state.state.count_activation();
                log::event(&events::session_activated(
                    &session,
                    authority.address().as_array(),
                    moment,
                ));
            }
            (true, false) => state.state.count_deactivation(),
            _ => {}
        }
        progress.status = new_status;
        progress.last_updated = moment.unix_timestamp;
        progress
    };
    entry::store(account, &progress)?;
    state.store()
}
