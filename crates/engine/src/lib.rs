//! Creates session accounts on chain and proves that they are there.
//!
//! A batch of requests goes through rounds: **read** what is at the addresses (one call for a hundred), **plan** the
//! missing ones into as few transactions as fit, **land** them, and read again, which is the **verification**. What
//! fails is split off with its own reason and the others go on. See DESIGN, invariants 2, 4 and 5.

mod attempt;
mod batch;
mod blockhash;
mod budget;
mod config;
mod cost;
mod engine;
mod error;
mod fault;
mod flights;
mod formats;
mod instruction;
mod marking;
mod message;
mod mismatch;
mod monitor;
mod open;
mod plan;
mod policy;
mod program_error;
mod rejection;
mod request;
mod sending;
mod shared;
mod signer;
mod signer_source;
mod statuses;
mod unsettled;
mod verify;
mod wallet;

pub use config::{EngineConfig, MarkCreated, TransactionVersion};
pub use engine::Engine;
pub use error::{CreationError, Deferral, Disposition, EngineError, Failure, Outcome};
pub use instruction::{AccountRole, Argument, InstructionShape};
pub use mismatch::Mismatch;
pub use monitor::WalletStatus;
pub use policy::Policy;
pub use program_error::ProgramError;
pub use rejection::Rejection;
pub use request::{CreationRequest, validate};
pub use signer::SignerPool;
pub use signer_source::{SignerError, SignerSource};
pub use verify::Standing;
