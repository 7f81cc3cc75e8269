//! What the engine can be told.

use std::time::Duration;

use solana_pubkey::Pubkey;

use crate::request::policy::Policy;
use crate::transaction::instruction::InstructionShape;

/// Settings of an [`Engine`](crate::Engine). Every field has its unit in its name or type.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// What may be created, and what may be spent on it.
    pub policy: Policy,
    /// The creating instruction of the owner programs.
    pub instruction: InstructionShape,
    /// Which transaction format to use.
    pub transaction_version: TransactionVersion,
    /// Set the session's entry to Created in the transaction that creates its account.
    pub mark_created: Option<MarkCreated>,
    /// Creation transactions under way at once; more of them wait for room.
    pub transactions_in_flight_max: usize,
    /// Longest pause between two broadcasts of a transaction that hasn't landed. Five slots where those are shorter.
    pub rebroadcast_interval: Duration,
    /// Pause between two readings of the wallets' balances, the cluster's facts and recent priority fees.
    pub wallet_poll_interval: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            instruction: InstructionShape::default(),
            transaction_version: TransactionVersion::Auto,
            mark_created: None,
            transactions_in_flight_max: 10,
            rebroadcast_interval: Duration::from_secs(2),
            wallet_poll_interval: Duration::from_secs(15),
        }
    }
}

/// Transaction format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TransactionVersion {
    /// Version 1 where the cluster and its endpoints take it, else version 0.
    #[default]
    Auto,
    /// Version 1 always: 4,096 bytes (SIMD-0385, SIMD-0296).
    V1,
    /// Version 0 always: 1,232 bytes.
    V0,
}

/// `update_session_status(Created)` of `session_factory`, which only its authority may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkCreated {
    /// The program.
    pub factory: Pubkey,
    /// The factory's authority: one of the engine's signers.
    pub authority: Pubkey,
}
