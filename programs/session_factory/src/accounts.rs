//! Checks that several instructions make of their accounts.

use pinocchio::{AccountView, Address};

use crate::error::FactoryError;

pub(crate) fn require_signer(account: &AccountView) -> Result<(), FactoryError> {
    if account.is_signer() {
        Ok(())
    } else {
        Err(FactoryError::MissingSignature)
    }
}

pub(crate) fn require_writable(accounts: &[&AccountView]) -> Result<(), FactoryError> {
    for account in accounts {
        if !account.is_writable() {
            return Err(FactoryError::NotWritable);
        }
    }
    Ok(())
}

pub(crate) fn require_system_program(account: &AccountView) -> Result<(), FactoryError> {
    if *account.address() == pinocchio_system::ID {
        Ok(())
    } else {
        Err(FactoryError::WrongSystemProgram)
    }
}

/// The bump of `seeds`, if `account` is their address under `program_id`; `otherwise` if not.
pub(crate) fn require_address(
    account: &AccountView,
    seeds: &[&[u8]],
    program_id: &Address,
    otherwise: FactoryError,
) -> Result<u8, FactoryError> {
    match Address::try_find_program_address(seeds, program_id) {
        Some((expected, bump)) if expected == *account.address() => Ok(bump),
        _ => Err(otherwise),
    }
}
