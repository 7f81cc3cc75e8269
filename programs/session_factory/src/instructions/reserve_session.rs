//! `reserve_session(…)`

use borsh_bytes::Reader;
use pinocchio::{AccountView, Address, ProgramResult, address::MAX_SEED_LEN};

use crate::{
    anchor::{self, Accounts, AnchorError, Init},
    error::{FactoryError, require},
    events, log,
    moment::Moment,
    reservation::{Made, RESERVATION_SEED, Reservation},
    state::StateAccount,
};

const MAX_SESSION_ID: usize = 64;
const MAX_HOURS: u64 = 168;

/// Reserves a session's name for its owner.
pub(crate) fn reserve_session(program_id: &Address, accounts: &mut [AccountView], arguments: &[u8]) -> ProgramResult {
    log::instruction("Instruction: ReserveSession");
    let reservation =
        Reservation::read(&mut Reader::new(arguments)).map_err(|_| AnchorError::InstructionDidNotDeserialize)?;
    let mut accounts = Accounts::new(accounts);
    let reserver = accounts.signer()?;
    let state = StateAccount::take(&mut accounts, program_id)?;
    let account = accounts.next()?;
    accounts.system_program()?;
    let reserved_by = reserver.address().to_bytes();
    let id = reservation.reservation_id;
    // No address has such a seed, and looking for one would abort the program.
    require(id.len() <= MAX_SEED_LEN, FactoryError::InvalidReservationId)?;
    let bump = Init {
        account: &mut *account,
        payer: reserver,
        program_id,
        space: reservation.space(),
    }
    .at_each([RESERVATION_SEED, &reserved_by, id])?;
    anchor::require_writable(reserver)?;
    state.require_writable_state(program_id)?;

    check(&reservation)?;
    let now = Moment::now()?.unix_timestamp;
    let made = Made {
        by: &reserved_by,
        at: now,
        bump,
    };
    log::event(&events::session_reserved(&reservation, &made));
    reservation.write(account, &made)
}

fn check(reservation: &Reservation<'_>) -> ProgramResult {
    require(
        !reservation.reservation_id.is_empty(),
        FactoryError::InvalidReservationId,
    )?;
    let length = reservation.session_id.len();
    require(length != 0 && length <= MAX_SESSION_ID, FactoryError::InvalidSessionId)?;
    require(*reservation.session_owner != [0; 32], FactoryError::InvalidOwner)?;
    let hours = reservation.duration_hours;
    require(
        hours != 0 && hours <= MAX_HOURS,
        FactoryError::InvalidReservationDuration,
    )?;
    require(
        reservation.template_id.is_some() != reservation.configuration.is_some(),
        FactoryError::InvalidReservationConfig,
    )
}
