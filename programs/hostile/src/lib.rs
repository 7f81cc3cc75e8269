//! Does on chain whatever its instruction data says: the liar that the tests hold the service against.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;

use borsh_bytes::{Malformed, Reader};
use pinocchio::{
    AccountView, Address, ProgramResult,
    cpi::invoke_with_slice,
    error::ProgramError,
    instruction::{InstructionAccount, InstructionView},
};
use solana_define_syscall::definitions::{sol_log_, sol_log_data};

pinocchio::program_entrypoint!(process_instruction);
pinocchio::default_allocator!();
pinocchio::nostd_panic_handler!();

const LOG: u8 = 0;
const DATA: u8 = 1;
const SPAM: u8 = 2;
const CALL: u8 = 3;
const FAIL: u8 = 4;

const WRITABLE: u8 = 1;
const SIGNER: u8 = 2;

/// Anchor's tag of an event that a program sends to itself.
const EVENT_TAG: [u8; 8] = [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d];

static SPAM_LINE: [u8; 256] = [b'x'; 256];

fn process_instruction(_: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    if data.starts_with(&EVENT_TAG) {
        return Ok(());
    }
    let mut script = Reader::new(data);
    while !script.is_empty() {
        run_operation(accounts, &mut script)?;
    }
    Ok(())
}

fn run_operation(accounts: &[AccountView], script: &mut Reader<'_>) -> ProgramResult {
    match script.u8().map_err(invalid)? {
        LOG => log(read_bytes(script)?),
        DATA => log_data(read_bytes(script)?),
        SPAM => spam(script.u32().map_err(invalid)? as usize),
        CALL => call(accounts, script)?,
        FAIL => return Err(ProgramError::Custom(script.u32().map_err(invalid)?)),
        _ => return Err(ProgramError::InvalidInstructionData),
    }
    Ok(())
}

fn log(text: &[u8]) {
    // SAFETY: pointer and length are those of one live slice.
    unsafe { sol_log_(text.as_ptr(), text.len() as u64) }
}

fn log_data(bytes: &[u8]) {
    let fields = [bytes];
    // SAFETY: a slice of slices is what the syscall reads: pointer and length each.
    unsafe { sol_log_data(fields.as_ptr().cast(), fields.len() as u64) }
}

fn spam(mut count: usize) {
    while count > 0 {
        let line = count.min(SPAM_LINE.len());
        log(&SPAM_LINE[..line]);
        count -= line;
    }
}

fn call(accounts: &[AccountView], script: &mut Reader<'_>) -> ProgramResult {
    let program = script.u8().map_err(invalid)?;
    let count = script.u8().map_err(invalid)? as usize;
    let (metas, _) = script.slice(2 * count).map_err(invalid)?.as_chunks::<2>();
    let data = read_bytes(script)?;
    if metas.iter().any(|[index, _]| *index as usize >= accounts.len()) {
        return Err(ProgramError::InvalidInstructionData);
    }
    // The lists are collected from iterators of known length, because the linker has no growing vectors.
    let views: Vec<_> = metas.iter().map(|[index, _]| &accounts[*index as usize]).collect();
    let metas: Vec<_> = metas
        .iter()
        .map(|[index, flags]| meta(&accounts[*index as usize], *flags))
        .collect();
    let program_id = accounts
        .get(program as usize)
        .ok_or(ProgramError::InvalidInstructionData)?
        .address();
    invoke_with_slice(
        &InstructionView {
            program_id,
            data,
            accounts: &metas,
        },
        &views,
    )
}

fn meta(account: &AccountView, flags: u8) -> InstructionAccount<'_> {
    InstructionAccount::new(account.address(), flags & WRITABLE != 0, flags & SIGNER != 0)
}

fn read_bytes<'a>(script: &mut Reader<'a>) -> Result<&'a [u8], ProgramError> {
    let length = script.u16().map_err(invalid)? as usize;
    script.slice(length).map_err(invalid)
}

fn invalid(_: Malformed) -> ProgramError {
    ProgramError::InvalidInstructionData
}
