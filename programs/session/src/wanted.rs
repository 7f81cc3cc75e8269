//! A session's account that is to be there, and what is missing to that.

use borsh_bytes::{Malformed, Reader};
use pda_account::{NewAccount, top_up};
use pinocchio::{AccountView, Address, ProgramResult, Resize, sysvars::rent::Rent};

use crate::{error::SessionError, seeds::SessionSeeds};

/// The runtime lets one instruction grow an account by at most this.
const MAX_SIZE: u64 = 10_240;

/// The arguments that ask for one account.
pub(crate) struct Wanted<'a> {
    pub(crate) seeds: SessionSeeds<'a>,
    pub(crate) size: u64,
}

/// What is to be done for an account.
pub(crate) enum Deed {
    /// Nothing of this program's is at the address, whose bump this is.
    Create { bump: u8 },
    /// Somebody has created the account too short, and nobody has used it.
    Grow,
}

/// Who pays, for whose account, at which price.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) program_id: &'a Address,
    pub(crate) payer: &'a AccountView,
    pub(crate) rent: &'a Rent,
}

impl<'a> Wanted<'a> {
    /// Reads owner, session id and size, whatever they are.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            seeds: SessionSeeds::read(reader)?,
            size: reader.u64()?,
        })
    }

    /// Finds out what is missing.
    pub(crate) fn deed(&self, account: &AccountView, program_id: &Address) -> Result<Deed, SessionError> {
        self.seeds.check()?;
        if self.size > MAX_SIZE {
            return Err(SessionError::SizeTooLarge);
        }
        if !account.is_writable() {
            return Err(SessionError::SessionNotWritable);
        }
        let bump = self.seeds.bump_of(account.address(), program_id)?;
        if !account.owned_by(program_id) {
            return Ok(Deed::Create { bump });
        }
        if account.data_len() < self.size() && is_zeroed(account) {
            Ok(Deed::Grow)
        } else {
            Err(SessionError::SessionExists)
        }
    }

    /// Does it.
    pub(crate) fn carry_out(&self, deed: &Deed, account: &mut AccountView, terms: Terms<'_>) -> ProgramResult {
        match *deed {
            Deed::Create { bump } => NewAccount {
                account,
                size: self.size(),
                program: terms.program_id,
                payer: terms.payer,
                seeds: &self.seeds.signer(&[bump]),
            }
            .create(terms.rent),
            Deed::Grow => {
                let minimum = terms.rent.try_minimum_balance(self.size())?;
                top_up(account, terms.payer, minimum)?;
                account.resize(self.size())
            }
        }
    }

    /// The size, once it was checked.
    #[expect(clippy::cast_possible_truncation, reason = "it is at most 10,240")]
    fn size(&self) -> usize {
        self.size as usize
    }
}

/// Whether nobody has written to the account. It is looked at eight bytes at a time: an account of 10,000 bytes is to
/// cost no more than a creation.
fn is_zeroed(account: &AccountView) -> bool {
    let Ok(data) = account.try_borrow() else {
        return false;
    };
    // SAFETY: any eight bytes are a number.
    let (start, words, end) = unsafe { data.align_to::<u64>() };
    words.iter().all(|word| *word == 0) && start.iter().chain(end).all(|byte| *byte == 0)
}
