//! Creates an account at a program-derived address, also where somebody has sent lamports before.
#![no_std]

use pinocchio::{
    AccountView, Address, ProgramResult,
    cpi::{Seed, Signer},
};
use pinocchio_system::create_account_with_minimum_balance_signed;

/// An account that is to be created.
pub struct NewAccount<'a> {
    /// Where; its address is that of `seeds` under `program`.
    pub account: &'a mut AccountView,
    /// Bytes of zeroed data.
    pub size: usize,
    /// Its owner.
    pub program: &'a Address,
    /// Who adds the lamports that it lacks to be rent-exempt.
    pub payer: &'a AccountView,
    /// The seeds of its address, the bump last.
    pub seeds: &'a [Seed<'a>],
}

impl NewAccount<'_> {
    /// Creates it. `create_account` refuses an address that has lamports, and anybody can send some to a
    /// predictable address; there, transfer, `allocate` and `assign` do the same.
    ///
    /// # Errors
    /// The system program's: the payer has too little, the account is in use, or the size is over 10,240.
    pub fn create(self) -> ProgramResult {
        let Self {
            account,
            size,
            program,
            payer,
            seeds,
        } = self;
        let signer = [Signer::from(seeds)];
        create_account_with_minimum_balance_signed(account, size, program, payer, None, &signer)
    }
}
