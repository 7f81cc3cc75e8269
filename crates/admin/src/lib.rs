//! What an operator asks a running service: `/live`, `/health`, `/stats`, `/metrics` (`docs/contract.md`, "Over HTTP"),
//! the API under `/api/v1`, and by signals to stop.
//!
//! Every page is made of stored state, never of a call to the chain: an endpoint that asks the RPC hangs when the
//! RPC does. What the API does it leaves to whoever provides its operations; this crate knows no queue and no chain.

mod api;
mod check;
mod checks;
mod health;
mod limits;
mod pages;
mod pulse;
mod server;
mod signals;
mod stats;

pub use api::{
    ADDRESS_FILE, Api, Letter, LetterFilter, Moved, OperationError, Operations, QuarantineFilter, Quarantined, Refusal,
    ServiceStatus, TOKEN_FILE, Testimony, Token, TokenError, WalletBrief,
};
pub use check::{Check, CheckFailure, Evidence, Health, in_time, often, patience};
pub use checks::run_checks;
pub use health::{FailedCheck, HealthRegistry, HealthReport};
pub use pages::{Metrics, Pages, health_page};
pub use pulse::{Hung, Pulse, Pulses};
pub use server::{AdminError, bind, serve};
pub use signals::with_signals;
pub use stats::Stats;
