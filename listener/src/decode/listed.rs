//! A transaction as a listing shows it.

use solana_sdk::signature::Signature;

/// One transaction of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) signature: Signature,
    pub(crate) slot: u64,
    pub(crate) failed: bool,
}
