//! Creates session accounts on chain and proves that they are there.
//!
//! From the top: the [`Engine`] answers batches of requests, one flight for each address. A `batch` reads what is there
//! (one call for a hundred addresses), plans what is missing into as few transactions as fit, and joins their deliveries.
//! A `delivery` is one signed transaction's life, in a task of its own. The `treasury` holds its money. `transaction`
//! makes it, and says whose fault its failure is; `verify` compares what was read with what was asked for; `request` is
//! what may be asked. Each room knows those below it and none above.
//!
//! The words, each for one thing:
//! - *attempt*: one delivery of a queue's message to this service. A *try* is one transaction for one request.
//! - *hold*: the money of one transaction, set aside before it is signed. *Settle*: put the transaction's fate in the
//!   books, once. Nothing else is settled.
//! - *send*: hand a transaction to one node for the first time. *Broadcast*: to all of them, again.
//! - *land*: come into a block and succeed there, at the commitment. What is in a block and failed has not landed.
//! - *read back*: look at the accounts of a transaction that landed. *Judge*: compare an account with its request.
//! - *answer*: what a request gets in the end, an outcome or an error with its reason.

mod batch;
mod config;
mod delivery;
mod engine;
mod flights;
mod rehearsal;
mod request;
mod transaction;
mod treasury;
mod verify;

pub use batch::deferral::Deferral;
pub use batch::error::{CreationError, Disposition, EngineError, Failure, Outcome};
pub use config::{EngineConfig, MarkCreated, TransactionVersion};
pub use engine::Engine;
pub use rehearsal::{RehearsalError, rehearse};
pub use request::claim::{CreationRequest, validate};
pub use request::policy::Policy;
pub use request::rejection::Rejection;
pub use transaction::instruction::{AccountRole, Argument, BatchEncoding, BatchShape, InstructionShape};
pub use transaction::program_error::ProgramError;
pub use treasury::monitor::WalletStatus;
pub use treasury::signer::SignerPool;
pub use treasury::signer_source::{SignerError, SignerSource};
pub use verify::mismatch::Mismatch;
pub use verify::standing::Standing;
