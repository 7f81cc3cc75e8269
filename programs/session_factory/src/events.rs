//! The events, byte by byte as the IDL lays them out.

use borsh_bytes::{Decimal, Writer};

use crate::{
    SESSION_PROGRAM_ID,
    entry::{OptimisticState, Session, Status},
    moment::Moment,
    reservation::{Made, Reservation},
};

const PDA_COMPUTED: [u8; 8] = [200, 217, 99, 148, 196, 218, 164, 57];
const SESSION_CREATED: [u8; 8] = [35, 41, 98, 73, 187, 32, 19, 12];
const SESSION_ACTIVATED: [u8; 8] = [58, 171, 147, 8, 109, 155, 244, 242];
const SESSION_RESERVED: [u8; 8] = [163, 115, 170, 31, 72, 44, 199, 205];
const MANUAL_SESSION_INITIALIZED: [u8; 8] = [222, 155, 124, 220, 106, 206, 100, 152];
const EMERGENCY_SESSION_RESET: [u8; 8] = [188, 45, 121, 252, 189, 106, 55, 119];

/// Borsh of `None`, of `Some`, and of an empty list.
const NONE: [u8; 1] = [0];
const SOME: [u8; 1] = [1];
const EMPTY: [u8; 4] = [0; 4];

/// The attestation's signature, which vouches for nothing.
const NO_SIGNATURE: [u8; 64] = [0; 64];

/// Bytes of the texts below that an event repeats, and their length prefixes, at most.
const TEXTS: usize = 256;

/// Bytes of a session's account without its strings: discriminator, owner, `eval_program`, two length prefixes, two
/// times, a flag, a bump, and 64 to spare.
const SESSION_BASE: u64 = 8 + 32 + 32 + 4 + 4 + 8 + 8 + 1 + 1 + 64;

/// How a session came to be requested.
pub(crate) struct Creation<'a> {
    /// `creation_method` of the attestation.
    pub(crate) method: &'a str,
    pub(crate) capability: &'a str,
    /// The address that the attestation names for the factory.
    pub(crate) factory_address: &'a [u8; 32],
    pub(crate) factory_version: u8,
    pub(crate) moment: Moment,
}

/// Bytes of the account that a session asks for: what it holds, in multiples of eight.
fn account_size(session: &Session<'_>) -> u64 {
    // The list's own length prefix is in the base already.
    let text = session.session_id.len() as u64 + session.namespaces.borsh.len() as u64 - 4;
    (SESSION_BASE + text + 7) & !7
}

/// `PDAComputedEvent`.
pub(crate) fn pda_computed(session: &Session<'_>, slot: u64) -> Writer {
    let text = 4 + session.session_id.len() + session.namespaces.borsh.len();
    let mut event = Writer::with_capacity(8 + 5 * 32 + 2 * 8 + text);
    event
        .put(&PDA_COMPUTED)
        .put(session.address)
        .put(&account_size(session).to_le_bytes())
        .put(SESSION_PROGRAM_ID.as_array())
        .put_string(session.session_id)
        .put(session.owner)
        .put(session.eval_program)
        .put(session.shard_address)
        .put(session.namespaces.borsh)
        .put(&slot.to_le_bytes());
    event
}

/// `SessionCreatedEvent`; its attestation repeats the request.
pub(crate) fn session_created(session: &Session<'_>, creation: &Creation<'_>) -> Writer {
    let text = 3 * (4 + session.session_id.len()) + 2 * session.namespaces.borsh.len();
    let mut event = Writer::with_capacity(8 + 7 * 32 + 4 * 8 + NO_SIGNATURE.len() + text + TEXTS);
    event
        .put(&SESSION_CREATED)
        .put(session.address)
        .put(session.owner)
        .put(session.eval_program)
        .put(session.shard_address)
        .put_string(session.session_id)
        .put(session.namespaces.borsh)
        .put(&SOME)
        .put_string(creation.capability.as_bytes())
        .put(&EMPTY); // verification_functions_executed
    put_attestation(&mut event, session, creation);
    event
        .put(&creation.moment.unix_timestamp.to_le_bytes())
        .put(&account_size(session).to_le_bytes())
        .put(&creation.moment.slot.to_le_bytes());
    event
}

fn put_attestation(event: &mut Writer, session: &Session<'_>, creation: &Creation<'_>) {
    event
        .put(creation.factory_address)
        .put(session.address)
        .put_string(session.session_id)
        .put(session.eval_program);
    put_attestation_id(event, session.session_id, creation.moment.slot);
    event
        .put(&NONE) // template_id
        .put(&NONE) // custom_config
        .put(session.namespaces.borsh)
        .put(&2_u32.to_le_bytes()) // metadata
        .put_string(b"factory_version")
        .put_string(Decimal::of(u64::from(creation.factory_version)).as_bytes())
        .put_string(b"creation_method")
        .put_string(creation.method.as_bytes())
        .put(&NO_SIGNATURE)
        .put(&creation.moment.slot.to_le_bytes());
}

/// The string `att_SLOT_SESSION-ID`.
#[expect(clippy::cast_possible_truncation, reason = "nothing on chain has 4 GiB")]
fn put_attestation_id(event: &mut Writer, session_id: &[u8], slot: u64) {
    let slot = Decimal::of(slot);
    let slot = slot.as_bytes();
    let length = 4 + slot.len() + 1 + session_id.len();
    event
        .put(&(length as u32).to_le_bytes())
        .put(b"att_")
        .put(slot)
        .put(b"_")
        .put(session_id);
}

/// `SessionActivatedEvent`.
pub(crate) fn session_activated(session: &Session<'_>, activated_by: &[u8; 32], moment: Moment) -> Writer {
    let text = 4 + session.session_id.len() + session.namespaces.borsh.len();
    let mut event = Writer::with_capacity(8 + 5 * 32 + 2 * 8 + text);
    event
        .put(&SESSION_ACTIVATED)
        .put(session.address)
        .put_string(session.session_id)
        .put(session.owner)
        .put(session.eval_program)
        .put(session.shard_address)
        .put(session.namespaces.borsh)
        .put(&moment.unix_timestamp.to_le_bytes())
        .put(activated_by)
        .put(&moment.slot.to_le_bytes());
    event
}

/// `SessionReservedEvent`.
pub(crate) fn session_reserved(reservation: &Reservation<'_>, made: &Made<'_>) -> Writer {
    let template = reservation.template_id.map_or(0, |id| 4 + id.len());
    let text = 8 + reservation.reservation_id.len() + reservation.session_id.len() + template;
    let mut event = Writer::with_capacity(8 + 2 * 32 + 2 * 8 + 1 + text);
    event
        .put(&SESSION_RESERVED)
        .put_string(reservation.reservation_id)
        .put_string(reservation.session_id)
        .put(made.by)
        .put(reservation.session_owner);
    match reservation.template_id {
        Some(template_id) => event.put(&SOME).put_string(template_id),
        None => event.put(&NONE),
    };
    event
        .put(&reservation.expires_at(made.at).to_le_bytes())
        .put(&made.at.to_le_bytes());
    event
}

/// What somebody does to a session by hand.
pub(crate) struct Operation<'a> {
    pub(crate) session: &'a Session<'a>,
    /// The session's id as the caller named it.
    pub(crate) session_id: &'a [u8],
    /// The caller.
    pub(crate) authority: &'a [u8; 32],
    /// Unix seconds.
    pub(crate) at: i64,
}

impl Operation<'_> {
    /// What both events begin with, and room for four bytes and a time.
    fn event(&self, discriminator: [u8; 8]) -> Writer {
        let mut event = Writer::with_capacity(8 + 3 * 32 + 4 + self.session_id.len() + 4 + 8);
        event
            .put(&discriminator)
            .put(self.session.address)
            .put_string(self.session_id)
            .put(self.session.owner)
            .put(self.authority);
        event
    }
}

/// `ManualSessionInitializedEvent`.
pub(crate) fn manual_session_initialized(operation: &Operation<'_>, force_activation: bool) -> Writer {
    let mut event = operation.event(MANUAL_SESSION_INITIALIZED);
    event
        .put(&[u8::from(force_activation)])
        .put(&operation.at.to_le_bytes());
    event
}

/// A session's statuses before and after a reset.
pub(crate) struct Reset {
    pub(crate) old: (Status, OptimisticState),
    pub(crate) new: (Status, OptimisticState),
}

/// `EmergencySessionResetEvent`.
pub(crate) fn emergency_session_reset(operation: &Operation<'_>, reset: &Reset) -> Writer {
    let Reset { old, new } = reset;
    let mut event = operation.event(EMERGENCY_SESSION_RESET);
    event
        .put(&[old.0 as u8, new.0 as u8, old.1 as u8, new.1 as u8])
        .put(&operation.at.to_le_bytes());
    event
}
