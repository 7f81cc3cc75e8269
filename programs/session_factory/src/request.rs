//! `request_session_creation(…)`, its variant without logs, and `create_optimistic_session(…)`.

use borsh_bytes::Writer;
use pda_account::NewAccount;
use pinocchio::{AccountView, Address, ProgramResult, error::ProgramError};

use crate::{
    accounts,
    arguments::SessionRequest,
    emit,
    entry::{self, ENTRY_SEED, EntryTail},
    error::FactoryError,
    events::{self, Moment},
    self_call::SelfCall,
    state::State,
};

/// First seed of a session's address, under the program of its shard.
const SESSION_SEED: &[u8] = b"session";

/// Accounts that recording a request takes; those of the self-call come after them.
const RECORD_ACCOUNTS: usize = 4;

/// The address of a session that asks for no account.
const NO_ADDRESS: Address = Address::new_from_array([0; 32]);

/// The events of a request: `SessionCreatedEvent`, then `PDAComputedEvent`.
struct Emitted {
    created: Writer,
    computed: Writer,
}

/// Records the request and logs its events.
pub(crate) fn request_session_creation(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let request = SessionRequest::read(arguments)?;
    let events = record(program_id, accounts, &request)?;
    emit::log(events.created.as_slice());
    emit::log(events.computed.as_slice());
    Ok(())
}

/// Records the request and sends its events to the program itself.
pub(crate) fn request_session_creation_cpi(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let request = SessionRequest::read(arguments)?;
    let events = record(program_id, accounts, &request)?;
    let channel = SelfCall::new(program_id, accounts.get(RECORD_ACCOUNTS..).unwrap_or_default())?;
    channel.send(&events.created)?;
    channel.send(&events.computed)
}

/// Writes the session's entry, counts it, and says what there is to emit.
fn record(
    program_id: &Address,
    accounts: &mut [AccountView],
    request: &SessionRequest<'_>,
) -> Result<Emitted, ProgramError> {
    let [requester, state, entry, system_program, ..] = accounts else {
        return Err(FactoryError::MissingAccount.into());
    };
    accounts::require_signer(requester)?;
    accounts::require_writable(&[requester, state, entry])?;
    accounts::require_system_program(system_program)?;
    let mut factory = State::load(state, program_id)?;
    let moment = Moment::now()?;
    let session = session_address(request)?;

    let bump = create_entry(program_id, requester, entry, request)?;
    entry::write(
        entry,
        &session,
        request,
        &EntryTail::requested(moment.unix_timestamp, bump),
    )?;
    factory.total_sessions += 1;
    factory.store(state)?;
    Ok(Emitted {
        created: events::session_created(program_id, &session, request, &moment),
        computed: events::pda_computed(&session, request, moment.slot),
    })
}

/// Logs a `PDAComputedEvent` whose address is all zeroes: a session that will do without an account for now.
pub(crate) fn create_optimistic_session(accounts: &mut [AccountView], arguments: &[u8]) -> ProgramResult {
    let request = SessionRequest::read(arguments)?;
    let [requester, ..] = accounts else {
        return Err(FactoryError::MissingAccount.into());
    };
    accounts::require_signer(requester)?;
    let event = events::pda_computed(&NO_ADDRESS, &request, Moment::now()?.slot);
    emit::log(event.as_slice());
    Ok(())
}

fn session_address(request: &SessionRequest<'_>) -> Result<Address, ProgramError> {
    let shard = Address::new_from_array(*request.shard_address);
    let seeds: [&[u8]; 3] = [SESSION_SEED, request.owner, request.session_id];
    Address::try_find_program_address(&seeds, &shard)
        .map(|(address, _)| address)
        .ok_or(ProgramError::InvalidSeeds)
}

/// Allocates the entry's account and says its bump.
fn create_entry(
    program_id: &Address,
    requester: &AccountView,
    entry: &mut AccountView,
    request: &SessionRequest<'_>,
) -> Result<u8, ProgramError> {
    let seeds: [&[u8]; 3] = [ENTRY_SEED, request.owner, request.session_id];
    let bump = accounts::require_address(entry, &seeds, program_id, FactoryError::WrongEntryAddress)?;
    if entry.owned_by(program_id) {
        return Err(FactoryError::EntryExists.into());
    }
    let bump_seed = [bump];
    let signer = [
        ENTRY_SEED.into(),
        request.owner.into(),
        request.session_id.into(),
        (&bump_seed).into(),
    ];
    let size = entry::entry_size(request);
    NewAccount {
        account: entry,
        size,
        program: program_id,
        payer: requester,
        seeds: &signer,
    }
    .create()?;
    Ok(bump)
}
