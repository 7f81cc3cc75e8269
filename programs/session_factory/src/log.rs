//! Lines in the transaction's logs.

use borsh_bytes::Writer;
use solana_define_syscall::definitions::{sol_log_, sol_log_data};

/// Writes `Program log: Instruction: NAME`, by which explorers tell instructions apart.
pub(crate) fn instruction(line: &str) {
    // SAFETY: pointer and length are those of one live string.
    unsafe { sol_log_(line.as_ptr(), line.len() as u64) }
}

/// Writes an event's `Program data:` line.
pub(crate) fn event(event: &Writer) {
    let fields = [event.as_slice()];
    // SAFETY: a slice of slices is what the syscall reads: pointer and length each.
    unsafe { sol_log_data(fields.as_ptr().cast(), fields.len() as u64) }
}
