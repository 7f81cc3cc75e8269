//! The two events that a request emits, byte by byte as the IDL lays them out.

use borsh_bytes::Writer;
use pinocchio::{
    Address,
    error::ProgramError,
    sysvars::{Sysvar, clock::Clock},
};

use crate::arguments::SessionRequest;

const PDA_COMPUTED: [u8; 8] = [200, 217, 99, 148, 196, 218, 164, 57];
const SESSION_CREATED: [u8; 8] = [35, 41, 98, 73, 187, 32, 19, 12];

/// Borsh of `None`, and of an empty string or list.
const NONE: [u8; 1] = [0];
const EMPTY: [u8; 4] = [0; 4];

/// The attestation's signature, which vouches for nothing.
const NO_SIGNATURE: [u8; 64] = [0; 64];

/// When the request was executed.
pub(crate) struct Moment {
    pub(crate) slot: u64,
    pub(crate) unix_timestamp: i64,
}

impl Moment {
    /// Now, by the clock of the chain.
    pub(crate) fn now() -> Result<Self, ProgramError> {
        let clock = Clock::get()?;
        Ok(Self {
            slot: clock.slot,
            unix_timestamp: clock.unix_timestamp,
        })
    }
}

/// `PDAComputedEvent`; the program that will own the account is the one of the session's shard.
pub(crate) fn pda_computed(session: &Address, request: &SessionRequest<'_>, slot: u64) -> Writer {
    let text = 4 + request.session_id.len() + request.namespaces.borsh.len();
    let mut event = Writer::with_capacity(8 + 5 * 32 + 2 * 8 + text);
    event
        .put(&PDA_COMPUTED)
        .put(session.as_array())
        .put(&request.account_size().to_le_bytes())
        .put(request.shard_address)
        .put_string(request.session_id)
        .put(request.owner)
        .put(request.eval_program)
        .put(request.shard_address)
        .put(request.namespaces.borsh)
        .put(&slot.to_le_bytes());
    event
}

/// `SessionCreatedEvent`; its attestation repeats the request.
pub(crate) fn session_created(
    factory: &Address,
    session: &Address,
    request: &SessionRequest<'_>,
    moment: &Moment,
) -> Writer {
    let text = 4 + request.session_id.len() + request.namespaces.borsh.len();
    let mut event = Writer::with_capacity(8 + 7 * 32 + 4 * 8 + 64 + 4 * 4 + 2 * text);
    event
        .put(&SESSION_CREATED)
        .put(session.as_array())
        .put(request.owner)
        .put(request.eval_program)
        .put(request.shard_address)
        .put_string(request.session_id)
        .put(request.namespaces.borsh)
        .put(&NONE) // capability_used
        .put(&EMPTY); // verification_functions_executed
    put_attestation(&mut event, factory, session, request, moment.slot);
    event
        .put(&moment.unix_timestamp.to_le_bytes())
        .put(&request.account_size().to_le_bytes())
        .put(&moment.slot.to_le_bytes());
    event
}

fn put_attestation(event: &mut Writer, factory: &Address, session: &Address, request: &SessionRequest<'_>, slot: u64) {
    event
        .put(factory.as_array())
        .put(session.as_array())
        .put_string(request.session_id)
        .put(request.eval_program)
        .put(&EMPTY) // attestation_id
        .put(&NONE) // creation_parameters.template_id
        .put(&NONE) // creation_parameters.custom_config
        .put(request.namespaces.borsh)
        .put(&EMPTY) // creation_parameters.metadata
        .put(&NO_SIGNATURE)
        .put(&slot.to_le_bytes());
}
