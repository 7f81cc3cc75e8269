//! The wallets, what may be spent from them, and what it buys.
//!
//! Owns the signers, the wallets' readings, the market price of compute units and the one way to money: a [`Hold`] for
//! everything that one signed transaction can cost, taken from the wallet and the ledger's budgets together before
//! anything is signed, and settled once by the transaction's fate. Knows addresses and lamports; it knows nothing of
//! sessions, blocks or how a transaction is sent.

pub(crate) mod hold;
pub(crate) mod leave_out;
pub(crate) mod market;
pub(crate) mod monitor;
pub(crate) mod promises;
pub(crate) mod signer;
pub(crate) mod signer_source;
pub(crate) mod wallet;
