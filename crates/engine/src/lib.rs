//! Creates session accounts on chain and proves that they are there.
//!
//! A batch of requests goes through rounds: **read** what is at the addresses (one call for a hundred), **plan** the
//! missing ones into as few transactions as fit, **land** them, and read again, which is the **verification**. What
//! fails is split off with its own reason and the others go on. See DESIGN, invariants 2, 4 and 5.

mod batch;
mod config;
mod delivery;
mod engine;
mod flights;
mod request;
mod shared;
mod transaction;
mod treasury;
mod verify;

pub use batch::error::{CreationError, Deferral, Disposition, EngineError, Failure, Outcome};
pub use config::{EngineConfig, MarkCreated, TransactionVersion};
pub use engine::Engine;
pub use request::claim::{CreationRequest, validate};
pub use request::policy::Policy;
pub use request::rejection::Rejection;
pub use transaction::instruction::{AccountRole, Argument, InstructionShape};
pub use transaction::program_error::ProgramError;
pub use treasury::monitor::WalletStatus;
pub use treasury::signer::SignerPool;
pub use treasury::signer_source::{SignerError, SignerSource};
pub use verify::mismatch::Mismatch;
pub use verify::standing::Standing;
