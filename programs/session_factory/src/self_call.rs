//! Events as instructions of the program to itself, the way of Anchor's `emit_cpi!`: they are in the transaction's
//! inner instructions, which nobody can truncate.

use borsh_bytes::Writer;
use pinocchio::{
    AccountView, Address, ProgramResult,
    cpi::{Signer, invoke_signed},
    instruction::{InstructionAccount, InstructionView},
};

use crate::{accounts, error::FactoryError};

/// First bytes of such an instruction (Anchor's `EVENT_IX_TAG`, little-endian).
pub(crate) const EVENT_TAG: [u8; 8] = [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d];

/// Seed of the address whose signature proves that the program called itself.
const EVENT_AUTHORITY_SEED: &[u8] = b"__event_authority";

/// The program as somebody that it can call.
pub(crate) struct SelfCall<'a> {
    program_id: &'a Address,
    authority: &'a AccountView,
    bump: u8,
}

impl<'a> SelfCall<'a> {
    /// From the accounts that an instruction has for this: the event authority and the program.
    pub(crate) fn new(program_id: &'a Address, accounts: &'a [AccountView]) -> Result<Self, FactoryError> {
        let [authority, program, ..] = accounts else {
            return Err(FactoryError::MissingAccount);
        };
        let bump = require_event_authority(authority, program_id)?;
        if program.address() != program_id {
            return Err(FactoryError::WrongProgram);
        }
        Ok(Self {
            program_id,
            authority,
            bump,
        })
    }

    /// Sends one event to the program itself.
    pub(crate) fn send(&self, event: &Writer) -> ProgramResult {
        let event = event.as_slice();
        let mut data = Writer::with_capacity(EVENT_TAG.len() + event.len());
        data.put(&EVENT_TAG).put(event);
        let instruction = InstructionView {
            program_id: self.program_id,
            data: data.as_slice(),
            accounts: &[InstructionAccount::readonly_signer(self.authority.address())],
        };
        let bump_seed = [self.bump];
        let seeds = [EVENT_AUTHORITY_SEED.into(), (&bump_seed).into()];
        invoke_signed(&instruction, &[self.authority], &[Signer::from(&seeds)])
    }
}

/// Accepts what [`SelfCall::send`] sent. There is nothing to do but to refuse events that somebody else sends.
pub(crate) fn receive(program_id: &Address, accounts: &[AccountView]) -> ProgramResult {
    let [authority, ..] = accounts else {
        return Err(FactoryError::MissingAccount.into());
    };
    require_event_authority(authority, program_id)?;
    if authority.is_signer() {
        Ok(())
    } else {
        Err(FactoryError::WrongEventAuthority.into())
    }
}

fn require_event_authority(account: &AccountView, program_id: &Address) -> Result<u8, FactoryError> {
    accounts::require_address(
        account,
        &[EVENT_AUTHORITY_SEED],
        program_id,
        FactoryError::WrongEventAuthority,
    )
}
