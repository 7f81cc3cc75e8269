//! Scripts for the hostile program (programs/README.md, "hostile").

use borsh::BorshSerialize;
use session_events::{
    EventKind, PdaComputedEvent,
    factory::{EVENT_INSTRUCTION, event_authority_address},
};
use solana_pubkey::Pubkey;
use solana_sdk::instruction::{AccountMeta, Instruction};

use crate::chain::{FORGED_FACTORY_ID, HOSTILE_PROGRAM_ID};

const CALL: u8 = 3;
const WRITABLE: u8 = 1;
const SIGNER: u8 = 2;

/// An instruction that has the hostile program at `program` print a perfect `PDAComputedEvent`.
#[must_use]
pub fn log_event(program: &Pubkey, event: &PdaComputedEvent) -> Instruction {
    Instruction::new_with_bytes(*program, &data_operation(&event_bytes(event)), Vec::new())
}

/// The event as the factory would log it: discriminator and Borsh.
#[must_use]
pub fn event_bytes(event: &PdaComputedEvent) -> Vec<u8> {
    let mut bytes = EventKind::PdaComputed.discriminator().to_vec();
    event.serialize(&mut bytes).unwrap();
    bytes
}

/// The script operation that logs `Program data:` with these bytes.
#[must_use]
pub fn data_operation(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let mut script = vec![1];
    script.extend(length.to_le_bytes());
    script.extend(bytes);
    script
}

/// An instruction of the hostile program that calls `inner` between other operations.
#[must_use]
pub fn hostile_around(before: &[Vec<u8>], inner: &Instruction, after: &[Vec<u8>]) -> Instruction {
    let mut accounts = inner.accounts.clone();
    accounts.push(AccountMeta::new_readonly(inner.program_id, false));
    let program = u8::try_from(inner.accounts.len()).unwrap();
    let mut call = vec![CALL, program, program];
    for (index, account) in inner.accounts.iter().enumerate() {
        let flags = if account.is_writable { WRITABLE } else { 0 } | if account.is_signer { SIGNER } else { 0 };
        call.extend([u8::try_from(index).unwrap(), flags]);
    }
    call.extend(u16::try_from(inner.data.len()).unwrap().to_le_bytes());
    call.extend(&inner.data);
    Instruction::new_with_bytes(
        HOSTILE_PROGRAM_ID,
        &[before.concat(), call, after.concat()].concat(),
        accounts,
    )
}

/// An instruction of the forged factory that records these bytes as an event by calling itself, as Anchor's `emit_cpi!` does.
#[must_use]
pub fn told_to_itself_as(event: &[u8]) -> Instruction {
    let (event_authority, _) = event_authority_address(&FORGED_FACTORY_ID).unwrap();
    let told = Instruction {
        program_id: FORGED_FACTORY_ID,
        accounts: vec![AccountMeta::new_readonly(event_authority, false)],
        data: [&EVENT_INSTRUCTION[..], event].concat(),
    };
    Instruction {
        program_id: FORGED_FACTORY_ID,
        ..hostile_around(&[], &told, &[])
    }
}
