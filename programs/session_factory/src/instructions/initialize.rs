//! `initialize()`

use pinocchio::{AccountView, Address, ProgramResult};

use crate::{
    anchor::{self, Accounts, Init},
    log,
    state::{STATE_SEED, STATE_SIZE, State},
};

/// Creates the factory's state; whoever signs becomes its authority.
pub(crate) fn initialize(program_id: &Address, accounts: &mut [AccountView]) -> ProgramResult {
    log::instruction("Instruction: Initialize");
    let mut accounts = Accounts::new(accounts);
    let account = accounts.next()?;
    let authority = accounts.signer()?;
    accounts.system_program()?;
    let bump = Init {
        account: &mut *account,
        payer: authority,
        program_id,
        space: STATE_SIZE,
    }
    .at(STATE_SEED)?;
    anchor::require_writable(authority)?;
    State::new(authority.address(), bump).store(account)
}
