//! Times of day as numbers since 1970, as tables, attributes and other services have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 for what was before.
#[must_use]
pub fn epoch_ms(at: SystemTime) -> u64 {
    u64::try_from(since_epoch(at).as_millis()).unwrap_or(u64::MAX)
}

/// The time of day that is so many milliseconds after 1970.
#[must_use]
pub fn from_epoch_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

/// Whole seconds since 1970; 0 for what was before.
#[must_use]
pub fn epoch_secs(at: SystemTime) -> u64 {
    since_epoch(at).as_secs()
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_no_number_is_too_large() {
        for ms in [0, 1_700_000_000_001, u64::MAX] {
            assert_eq!(epoch_ms(from_epoch_ms(ms)), ms);
        }
        assert_eq!(epoch_secs(from_epoch_ms(1_700_000_000_999)), 1_700_000_000);
        assert_eq!(epoch_ms(UNIX_EPOCH - Duration::from_secs(1)), 0, "what was before");
    }
}
