//! What an operator asks a running service: `/health`, `/stats` and `/metrics` (DESIGN, "Contract of the service"), and by
//! signals to stop.
//!
//! Every answer is made of stored state, never of a call to the chain: an endpoint that asks the RPC hangs when the
//! RPC does (pitfall 30).

mod check;
mod checks;
mod health;
mod pages;
mod server;
mod signals;
mod stats;

pub use check::{Check, CheckFailure, Health};
pub use checks::run_checks;
pub use health::{FailedCheck, HealthRegistry, HealthReport};
pub use pages::{Metrics, Pages};
pub use server::{AdminError, bind, serve};
pub use signals::with_signals;
pub use stats::Stats;
