//! `initialize()`

use pda_account::NewAccount;
use pinocchio::{AccountView, Address, ProgramResult};

use crate::{
    accounts,
    error::FactoryError,
    state::{STATE_SEED, STATE_SIZE, State},
};

/// Creates the factory's state; whoever signs becomes its authority.
pub(crate) fn initialize(program_id: &Address, accounts: &mut [AccountView], arguments: &[u8]) -> ProgramResult {
    if !arguments.is_empty() {
        return Err(FactoryError::MalformedArguments.into());
    }
    let [state, authority, system_program, ..] = accounts else {
        return Err(FactoryError::MissingAccount.into());
    };
    accounts::require_signer(authority)?;
    accounts::require_writable(&[state, authority])?;
    accounts::require_system_program(system_program)?;
    let bump = accounts::require_address(state, &[STATE_SEED], program_id, FactoryError::WrongStateAddress)?;
    if state.owned_by(program_id) {
        return Err(FactoryError::StateExists.into());
    }
    let bump_seed = [bump];
    let seeds = [STATE_SEED.into(), (&bump_seed).into()];
    NewAccount {
        account: state,
        size: STATE_SIZE,
        program: program_id,
        payer: authority,
        seeds: &seeds,
    }
    .create()?;
    State::new(authority.address(), bump).store(state)
}
