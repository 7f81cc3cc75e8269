//! The wallets, what may be spent, and what it buys.

pub(crate) mod budget;
pub(crate) mod monitor;
pub(crate) mod signer;
pub(crate) mod signer_source;
pub(crate) mod wallet;
