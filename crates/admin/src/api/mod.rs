//! The API: what the service knows and can do, as versioned JSON. Whoever reaches the port may look; whoever changes
//! something shows the token that only the service's user can read.

mod letters;
mod operations;
mod quarantine;
mod routes;
mod token;

pub use letters::{Letter, LetterFilter, Moved, Refusal};
pub use operations::{OperationError, Operations, ServiceStatus, WalletBrief};
pub use quarantine::{QuarantineFilter, Quarantined, Testimony};
pub(crate) use routes::routes;
pub use routes::{ADDRESS_FILE, Api};
pub use token::{TOKEN_FILE, Token, TokenError};
