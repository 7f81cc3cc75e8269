//! Creates an account at a program-derived address, also where somebody has sent lamports before.
#![no_std]

use pinocchio::{
    AccountView, Address, ProgramResult,
    cpi::{Seed, Signer},
    sysvars::rent::Rent,
};
use pinocchio_system::instructions::{Allocate, Assign, CreateAccount, Transfer};

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
    pub fn create(self, rent: &Rent) -> ProgramResult {
        let minimum = rent.try_minimum_balance(self.size)?;
        let space = self.size as u64;
        let signer = [Signer::from(self.seeds)];
        if self.account.lamports() == 0 {
            return CreateAccount {
                from: self.payer,
                to: self.account,
                lamports: minimum,
                space,
                owner: self.program,
            }
            .invoke_signed(&signer);
        }
        top_up(self.account, self.payer, minimum)?;
        Allocate {
            account: self.account,
            space,
        }
        .invoke_signed(&signer)?;
        Assign {
            account: self.account,
            owner: self.program,
        }
        .invoke_signed(&signer)
    }
}

/// Has `payer` add what `account` lacks of `minimum` lamports.
///
/// # Errors
/// The system program's: the payer has too little.
pub fn top_up(account: &AccountView, payer: &AccountView, minimum: u64) -> ProgramResult {
    let missing = minimum.saturating_sub(account.lamports());
    if missing == 0 {
        return Ok(());
    }
    Transfer {
        from: payer,
        to: account,
        lamports: missing,
    }
    .invoke()
}
