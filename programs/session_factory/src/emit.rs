//! Events as log lines, and `emit_event`, which logs those that no other instruction does.

use borsh_bytes::Reader;
use pinocchio::{AccountView, Address, ProgramResult};
use solana_define_syscall::definitions::sol_log_data;

use crate::{error::FactoryError, state::State};

/// The events that `emit_event` emits: all but the two that a request emits.
const LIFECYCLE_EVENTS: [[u8; 8]; 7] = [
    [163, 115, 170, 31, 72, 44, 199, 205],    // SessionReservedEvent
    [58, 171, 147, 8, 109, 155, 244, 242],    // SessionActivatedEvent
    [17, 39, 97, 253, 61, 176, 202, 19],      // SessionQueuedEvent
    [86, 70, 53, 27, 175, 30, 246, 187],      // SessionInitializedFromQueueEvent
    [210, 248, 84, 219, 207, 56, 70, 152],    // QueueProcessedEvent
    [222, 155, 124, 220, 106, 206, 100, 152], // ManualSessionInitializedEvent
    [188, 45, 121, 252, 189, 106, 55, 119],   // EmergencySessionResetEvent
];

/// Writes one `Program data:` line.
pub(crate) fn log(event: &[u8]) {
    let fields = [event];
    // SAFETY: a slice of slices is what the syscall reads: pointer and length each.
    unsafe { sol_log_data(fields.as_ptr().cast(), fields.len() as u64) }
}

/// Logs the event that the authority gives, as it is.
pub(crate) fn emit_event(program_id: &Address, accounts: &mut [AccountView], event: &[u8]) -> ProgramResult {
    let discriminator = Reader::new(event).array().map_err(FactoryError::from)?;
    if !LIFECYCLE_EVENTS.contains(discriminator) {
        return Err(FactoryError::UnknownEvent.into());
    }
    let [state, authority, ..] = accounts else {
        return Err(FactoryError::MissingAccount.into());
    };
    State::load(state, program_id)?.require_authority(authority)?;
    log(event);
    Ok(())
}
