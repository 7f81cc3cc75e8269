//! Scripts for the hostile program (programs/README.md, "hostile").

use borsh::BorshSerialize;
use session_events::{EventKind, PdaComputedEvent};
use solana_pubkey::Pubkey;
use solana_sdk::instruction::Instruction;

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
