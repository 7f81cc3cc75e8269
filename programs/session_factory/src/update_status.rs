//! `update_session_status(new_status)`

use borsh_bytes::Reader;
use pinocchio::{AccountView, Address, ProgramResult};

use crate::{
    accounts, entry,
    entry::{EntryTail, Status},
    error::FactoryError,
    events::Moment,
    state::State,
};

pub(crate) fn update_session_status(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    let new_status = read(arguments)?;
    let [entry, state, authority, ..] = accounts else {
        return Err(FactoryError::MissingAccount.into());
    };
    accounts::require_writable(&[entry, state])?;
    let mut factory = State::load(state, program_id)?;
    factory.require_authority(authority)?;
    let (start, mut tail) = entry::load_tail(entry, program_id)?;
    move_on(&mut factory, &mut tail, new_status, Moment::now()?.unix_timestamp);
    entry::store_tail(entry, start, &tail)?;
    factory.store(state)
}

fn read(arguments: &[u8]) -> Result<Status, FactoryError> {
    let mut reader = Reader::new(arguments);
    let status = reader.u8()?.try_into()?;
    reader.finish()?;
    Ok(status)
}

fn move_on(factory: &mut State, tail: &mut EntryTail, new_status: Status, now: i64) {
    match (tail.status == Status::Active, new_status == Status::Active) {
        (false, true) => factory.active_sessions += 1,
        (true, false) => factory.active_sessions -= 1,
        _ => {}
    }
    if new_status == Status::Active && tail.activated_at.is_none() {
        tail.activated_at = Some(now);
    }
    tail.status = new_status;
    tail.last_updated = now;
}
