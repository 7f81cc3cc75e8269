//! The eight events that tell of a session's life; they are counted and shown, and create nothing.
//!
//! Fields, order and units are the IDL's; times are unix seconds unless a field says otherwise.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::{
    account::{SessionState, SessionStatus},
    attestation::SessionCreationAttestation,
    base58, bounded,
};

/// A session's name was reserved (IDL event `SessionReservedEvent`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionReservedEvent {
    /// Name of the reservation.
    #[borsh(deserialize_with = "bounded::string")]
    pub reservation_id: String,
    /// Name of the session.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Who reserved it.
    #[serde(with = "base58")]
    pub reserved_by: Pubkey,
    /// For whom.
    #[serde(with = "base58")]
    pub session_owner: Pubkey,
    /// Template that the session will follow.
    #[borsh(deserialize_with = "bounded::optional_string")]
    pub template_id: Option<String>,
    /// When the reservation ends, unix seconds.
    pub expires_at: i64,
    /// When it was made, unix seconds.
    pub reserved_at: i64,
}

/// A session was registered with the factory (IDL event `SessionCreatedEvent`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionCreatedEvent {
    /// The session's address.
    #[serde(with = "base58")]
    pub session_address: Pubkey,
    /// The session's owner.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    #[serde(with = "base58")]
    pub eval_program: Pubkey,
    /// Program of the session's shard.
    #[serde(with = "base58")]
    pub shard_address: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Namespaces that the session may use.
    #[borsh(deserialize_with = "bounded::strings")]
    pub namespaces: Vec<String>,
    /// Capability that allowed the creation.
    #[borsh(deserialize_with = "bounded::optional_string")]
    pub capability_used: Option<String>,
    /// Verification functions that ran before it.
    #[borsh(deserialize_with = "bounded::strings")]
    pub verification_functions_executed: Vec<String>,
    /// The factory's statement about the creation.
    pub attestation: SessionCreationAttestation,
    /// Unix seconds.
    pub created_at: i64,
    /// Bytes of account data.
    pub account_size: u64,
    /// Slot of the registration.
    pub creation_slot: u64,
}

/// A session became active (IDL event `SessionActivatedEvent`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionActivatedEvent {
    /// The session's address.
    #[serde(with = "base58")]
    pub session_address: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// The session's owner.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    #[serde(with = "base58")]
    pub eval_program: Pubkey,
    /// Program of the session's shard.
    #[serde(with = "base58")]
    pub shard_address: Pubkey,
    /// Namespaces that the session may use.
    #[borsh(deserialize_with = "bounded::strings")]
    pub namespaces: Vec<String>,
    /// Unix seconds.
    pub activated_at: i64,
    /// Who activated it.
    #[serde(with = "base58")]
    pub activated_by: Pubkey,
    /// Slot of the activation.
    pub activation_slot: u64,
}

/// A queued session was initialised (IDL event `SessionInitializedFromQueueEvent`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionInitializedFromQueueEvent {
    /// The session's address.
    #[serde(with = "base58")]
    pub session_pda: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// The session's owner.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// Who initialised it.
    #[serde(with = "base58")]
    pub executor: Pubkey,
    /// Who had queued it.
    #[serde(with = "base58")]
    pub queued_by: Pubkey,
    /// Unix seconds.
    pub initialized_at: i64,
    /// The place that it had in the on-chain queue.
    pub queue_position: u64,
}

/// A run over the on-chain queue has ended (IDL event `QueueProcessedEvent`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct QueueProcessedEvent {
    /// Who ran it.
    #[serde(with = "base58")]
    pub processor: Pubkey,
    /// Sessions initialised by this run.
    pub sessions_processed: u32,
    /// Sessions that this run could not initialise.
    pub failed_initializations: u32,
    /// Sessions in the on-chain queue before the run.
    pub queue_size_before: u64,
    /// Sessions in it after the run.
    pub queue_size_after: u64,
    /// Milliseconds.
    pub processing_duration_ms: u64,
    /// Unix seconds.
    pub processing_started_at: i64,
    /// Unix seconds.
    pub processing_completed_at: i64,
    /// Sessions processed since the factory was deployed.
    pub total_processed: u64,
    /// Sessions failed since the factory was deployed.
    pub total_failed: u64,
}

/// The authority initialised a session by hand (IDL event `ManualSessionInitializedEvent`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ManualSessionInitializedEvent {
    /// The session's address.
    #[serde(with = "base58")]
    pub session_pda: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// The session's owner.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// The authority.
    #[serde(with = "base58")]
    pub authority: Pubkey,
    /// Whether the session was made active at once.
    pub force_activation: bool,
    /// Unix seconds.
    pub initialized_at: i64,
}

/// The authority put a session back (IDL event `EmergencySessionResetEvent`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct EmergencySessionResetEvent {
    /// The session's address.
    #[serde(with = "base58")]
    pub session_pda: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// The session's owner.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// The authority.
    #[serde(with = "base58")]
    pub authority: Pubkey,
    /// Status before.
    pub old_status: SessionStatus,
    /// Status after.
    pub new_status: SessionStatus,
    /// Optimistic state before.
    pub old_optimistic_state: SessionState,
    /// Optimistic state after.
    pub new_optimistic_state: SessionState,
    /// Unix seconds.
    pub reset_at: i64,
}
