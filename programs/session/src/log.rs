//! Lines in the transaction's logs.

use borsh_bytes::{Decimal, Writer};
use solana_define_syscall::definitions::{sol_log_, sol_log_data};

/// Says which member of a list is refused, and why.
pub(crate) fn member(place: usize, reason: &str) {
    let mut line = Writer::with_capacity(64);
    line.put(b"session ")
        .put(Decimal::of(place as u64).as_bytes())
        .put(b": ")
        .put(reason.as_bytes());
    let line = line.as_slice();
    // SAFETY: pointer and length are those of one live slice.
    unsafe { sol_log_(line.as_ptr(), line.len() as u64) }
}

/// Writes an event's `Program data:` line.
pub(crate) fn event(event: &Writer) {
    let fields = [event.as_slice()];
    // SAFETY: a slice of slices is what the syscall reads: pointer and length each.
    unsafe { sol_log_data(fields.as_ptr().cast(), fields.len() as u64) }
}
