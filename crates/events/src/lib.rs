//! What `session_factory` says on chain, in Rust: its events and how they are read from a transaction's logs,
//! its accounts, the addresses that follow from a session's seeds, and its instructions.
//!
//! The source of every layout is `idl/session_factory.json`; tests hold the code to it.

mod account;
mod address;
mod attestation;
mod base58;
mod bounded;
mod decode;
mod decoded;
mod discriminator;
mod event;
pub mod factory;
pub mod idl;
mod known;
mod lifecycle;
mod log_line;
mod payload;
mod pda_computed;
mod recover;
mod refusal;
mod replay;
pub mod session;
mod session_queued;

pub use account::{AccountError, SessionEntry, SessionFactoryState, SessionState, SessionStatus};
pub use address::{PdaError, SESSION_SEED, session_address};
pub use attestation::{
    CreationParameters, MetadataEntry, SessionConfiguration, SessionCreationAttestation, SessionPermissions,
    SessionSettings,
};
pub use decode::{Decoder, decode_logs};
pub use decoded::{Completeness, DeclaredEvent, Decoded, LoggedEvent};
pub use discriminator::{Discriminator, anchor_discriminator};
pub use event::{Event, EventKind};
pub use lifecycle::{
    EmergencySessionResetEvent, ManualSessionInitializedEvent, QueueProcessedEvent, SessionActivatedEvent,
    SessionCreatedEvent, SessionInitializedFromQueueEvent, SessionReservedEvent,
};
pub use pda_computed::PdaComputedEvent;
pub use recover::{ExecutedInstruction, Means, RecoveredEvent, Recovery, Unrecovered, UnrecoveredReason};
pub use refusal::{Refusal, RefusalReason};
pub use session_queued::{QueuedRequest, QueuedSession, SessionQueuedEvent};
