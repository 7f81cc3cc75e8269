//! Telling `session_factory` that an account is there, in the transaction that creates it.

use session_events::SessionStatus;
use session_events::factory::{entry_address, update_session_status};
use solana_sdk::instruction::Instruction;

use crate::config::MarkCreated;
use crate::request::claim::CreationRequest;

/// What `update_session_status` needs at most: one account to decode and encode again.
pub(crate) const COMPUTE_UNITS: u32 = 10_000;

/// Sets the entry of `request` to Created. `None` where the session can have no entry, which a validated request
/// always can.
pub(crate) fn instruction(mark: MarkCreated, request: &CreationRequest) -> Option<Instruction> {
    let (entry, _) = entry_address(&mark.factory, &request.session_owner, &request.session_id).ok()?;
    update_session_status(&mark.factory, &mark.authority, &entry, SessionStatus::Created).ok()
}
