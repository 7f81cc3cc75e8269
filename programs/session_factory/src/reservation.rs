//! The account of a reserved session, `SessionReservation`.

use borsh_bytes::{Malformed, Reader, Writer};
use pinocchio::{AccountView, ProgramResult};

use crate::anchor::AnchorError;

/// First seed of a reservation's address.
pub(crate) const RESERVATION_SEED: &[u8] = b"session_reservation";

/// `sha256("account:SessionReservation")[..8]`
const RESERVATION_ACCOUNT: [u8; 8] = [59, 143, 220, 79, 105, 184, 119, 248];

/// `SessionConfiguration` in Borsh: a duration and seven flags.
const CONFIGURATION: usize = 8 + 7;

/// What the account has room for in the configuration's place: its size in Rust's memory.
const CONFIGURATION_SPACE: usize = 16;

const SECONDS_PER_HOUR: u64 = 3_600;

/// The arguments of `reserve_session`. Strings are slices of the instruction's data.
#[expect(clippy::struct_field_names, reason = "the IDL's names")]
pub(crate) struct Reservation<'a> {
    pub(crate) reservation_id: &'a [u8],
    pub(crate) session_id: &'a [u8],
    pub(crate) session_owner: &'a [u8; 32],
    pub(crate) template_id: Option<&'a [u8]>,
    /// `SessionConfiguration` in Borsh.
    pub(crate) configuration: Option<&'a [u8]>,
    pub(crate) duration_hours: u64,
}

/// Who made a reservation, when (unix seconds), and the bump of its address.
pub(crate) struct Made<'a> {
    pub(crate) by: &'a [u8; 32],
    pub(crate) at: i64,
    pub(crate) bump: u8,
}

impl<'a> Reservation<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            reservation_id: reader.string()?,
            session_id: reader.string()?,
            session_owner: reader.array()?,
            template_id: if reader.bool()? { Some(reader.string()?) } else { None },
            configuration: if reader.bool()? {
                Some(read_configuration(reader)?)
            } else {
                None
            },
            duration_hours: reader.u64()?,
        })
    }

    /// Bytes of the reservation's account.
    pub(crate) fn space(&self) -> usize {
        let text = 4 + self.reservation_id.len() + 4 + self.session_id.len();
        let template = 1 + self.template_id.map_or(0, |id| 4 + id.len());
        8 + text + 2 * 32 + template + 1 + CONFIGURATION_SPACE + 2 * 8 + 1 + 1
    }

    /// Unix seconds. The duration was checked.
    #[expect(clippy::cast_possible_wrap, reason = "a week has not that many seconds")]
    pub(crate) fn expires_at(&self, reserved_at: i64) -> i64 {
        reserved_at.saturating_add((self.duration_hours * SECONDS_PER_HOUR) as i64)
    }

    /// Writes the reservation into its zeroed account.
    pub(crate) fn write(&self, account: &mut AccountView, made: &Made<'_>) -> ProgramResult {
        let mut bytes = Writer::with_capacity(self.space());
        bytes
            .put(&RESERVATION_ACCOUNT)
            .put_string(self.reservation_id)
            .put_string(self.session_id)
            .put(made.by)
            .put(self.session_owner);
        match self.template_id {
            Some(template_id) => bytes.put(&[1]).put_string(template_id),
            None => bytes.put(&[0]),
        };
        match self.configuration {
            Some(configuration) => bytes.put(&[1]).put(configuration),
            None => bytes.put(&[0]),
        };
        bytes
            .put(&self.expires_at(made.at).to_le_bytes())
            .put(&made.at.to_le_bytes())
            .put(&[0, made.bump]); // not used yet
        let bytes = bytes.as_slice();
        let mut data = account.try_borrow_mut()?;
        let destination = data.get_mut(..bytes.len()).ok_or(AnchorError::AccountDidNotSerialize)?;
        destination.copy_from_slice(bytes);
        Ok(())
    }
}

fn read_configuration<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let bytes = reader.slice(CONFIGURATION)?;
    let mut flags = Reader::new(bytes);
    flags.u64()?;
    while !flags.is_empty() {
        flags.bool()?;
    }
    Ok(bytes)
}
