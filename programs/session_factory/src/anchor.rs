//! The checks that Anchor makes of an instruction's accounts, with its error codes.
//!
//! Its order is kept: first every account is taken and read, in the order of the instruction's list; then what is to be
//! created is created; then the constraints of the others are looked at, again in the list's order.

use pda_account::NewAccount;
use pinocchio::{
    AccountView, Address,
    cpi::Seed,
    error::ProgramError,
    sysvars::{Sysvar, rent::Rent},
};

/// The codes of Anchor's framework that this program can fail with.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum AnchorError {
    /// The data starts with no discriminator of this program.
    InstructionFallbackNotFound = 101,
    /// The arguments are too short, or no Borsh of their types.
    InstructionDidNotDeserialize = 102,
    /// An event of `emit_cpi!`, which this program does not use.
    EventInstructionStub = 1_500,
    ConstraintMut = 2_000,
    ConstraintRaw = 2_003,
    ConstraintSeeds = 2_006,
    ConstraintClose = 2_011,
    AccountDiscriminatorNotFound = 3_001,
    AccountDiscriminatorMismatch = 3_002,
    AccountDidNotDeserialize = 3_003,
    AccountDidNotSerialize = 3_004,
    AccountNotEnoughKeys = 3_005,
    AccountOwnedByWrongProgram = 3_007,
    InvalidProgramId = 3_008,
    AccountNotSigner = 3_010,
    AccountNotInitialized = 3_012,
}

impl From<AnchorError> for ProgramError {
    fn from(error: AnchorError) -> Self {
        Self::Custom(error as u32)
    }
}

/// An instruction's accounts, to be taken one after the other.
pub(crate) struct Accounts<'a> {
    rest: &'a mut [AccountView],
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(accounts: &'a mut [AccountView]) -> Self {
        Self { rest: accounts }
    }

    /// The next account, whatever it is.
    pub(crate) fn next(&mut self) -> Result<&'a mut AccountView, AnchorError> {
        let (first, rest) = core::mem::take(&mut self.rest)
            .split_first_mut()
            .ok_or(AnchorError::AccountNotEnoughKeys)?;
        self.rest = rest;
        Ok(first)
    }

    /// The next account, which has signed.
    pub(crate) fn signer(&mut self) -> Result<&'a mut AccountView, AnchorError> {
        let account = self.next()?;
        if account.is_signer() {
            Ok(account)
        } else {
            Err(AnchorError::AccountNotSigner)
        }
    }

    /// The next account, which is this program's and starts with `discriminator`.
    pub(crate) fn owned(
        &mut self,
        program_id: &Address,
        discriminator: [u8; 8],
    ) -> Result<&'a mut AccountView, ProgramError> {
        let account = self.next()?;
        if account.owned_by(&pinocchio_system::ID) && account.lamports() == 0 {
            return Err(AnchorError::AccountNotInitialized.into());
        }
        if !account.owned_by(program_id) {
            return Err(AnchorError::AccountOwnedByWrongProgram.into());
        }
        require_discriminator(account, discriminator)?;
        Ok(account)
    }

    /// The next account, which is the system program.
    pub(crate) fn system_program(&mut self) -> Result<(), AnchorError> {
        if *self.next()?.address() == pinocchio_system::ID {
            Ok(())
        } else {
            Err(AnchorError::InvalidProgramId)
        }
    }
}

fn require_discriminator(account: &AccountView, discriminator: [u8; 8]) -> Result<(), ProgramError> {
    let data = account.try_borrow()?;
    match data.first_chunk::<8>() {
        None => Err(AnchorError::AccountDiscriminatorNotFound.into()),
        Some(found) if *found == discriminator => Ok(()),
        Some(_) => Err(AnchorError::AccountDiscriminatorMismatch.into()),
    }
}

/// The constraint `mut`.
pub(crate) fn require_writable(account: &AccountView) -> Result<(), AnchorError> {
    if account.is_writable() {
        Ok(())
    } else {
        Err(AnchorError::ConstraintMut)
    }
}

/// The constraint `seeds` with a bump that the account itself holds, the last of `seeds`.
pub(crate) fn require_address(account: &AccountView, seeds: &[&[u8]], program_id: &Address) -> Result<(), AnchorError> {
    match Address::create_program_address(seeds, program_id) {
        Ok(expected) if expected == *account.address() => Ok(()),
        _ => Err(AnchorError::ConstraintSeeds),
    }
}

/// The constraint `init`: an account of this program that is to be created.
pub(crate) struct Init<'a> {
    pub(crate) account: &'a mut AccountView,
    pub(crate) payer: &'a AccountView,
    pub(crate) program_id: &'a Address,
    /// Bytes of data.
    pub(crate) space: usize,
}

impl Init<'_> {
    /// Creates it at the address of `seed`, and says the address's bump.
    pub(crate) fn at(self, seed: &[u8]) -> Result<u8, ProgramError> {
        let bump = self.canonical_bump(&[seed])?;
        self.create(&[seed.into(), Seed::from(&[bump])])?;
        Ok(bump)
    }

    /// Creates it at the address of three seeds, and says the address's bump.
    pub(crate) fn at_each(self, seeds: [&[u8]; 3]) -> Result<u8, ProgramError> {
        let bump = self.canonical_bump(&seeds)?;
        let [first, second, third] = seeds;
        self.create(&[first.into(), second.into(), third.into(), Seed::from(&[bump])])?;
        Ok(bump)
    }

    fn canonical_bump(&self, seeds: &[&[u8]]) -> Result<u8, AnchorError> {
        match Address::try_find_program_address(seeds, self.program_id) {
            Some((expected, bump)) if expected == *self.account.address() => Ok(bump),
            _ => Err(AnchorError::ConstraintSeeds),
        }
    }

    /// An account that is there already is refused by the system program.
    fn create(self, seeds: &[Seed<'_>]) -> Result<(), ProgramError> {
        NewAccount {
            account: self.account,
            size: self.space,
            program: self.program_id,
            payer: self.payer,
            seeds,
        }
        .create(&Rent::get()?)
    }
}

/// The end of an account by the constraint `close`: its lamports go to `receiver`, and nothing of it is left.
pub(crate) fn close(account: &mut AccountView, receiver: &mut AccountView) -> Result<(), ProgramError> {
    let lamports = account.lamports();
    account.set_lamports(0);
    // Read only now: nobody may count lamports twice.
    receiver.set_lamports(receiver.lamports() + lamports);
    account.close()
}
