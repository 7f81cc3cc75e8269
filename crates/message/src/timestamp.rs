//! Times as RFC 3339 in UTC with milliseconds: `2026-01-31T08:15:00.042Z`.

use serde::{Serializer, ser::Error as _};
use time::{
    OffsetDateTime, UtcOffset,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

/// What a faulty time should have been.
pub(crate) const EXPECTED: &str = "a time in RFC 3339";

const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

pub(crate) fn serialize<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let utc = time
        .checked_to_offset(UtcOffset::UTC)
        .filter(|utc| (0..=9999).contains(&utc.year()))
        .ok_or_else(|| S::Error::custom(format!("{time} is not in the years 0 to 9999")))?;
    serializer.serialize_str(&utc.format(MILLISECONDS).map_err(S::Error::custom)?)
}

/// Any RFC 3339 time, as UTC.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    time.checked_to_offset(UtcOffset::UTC)
}
