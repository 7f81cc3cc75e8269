//! Whether there is a program at an address.

use solana_pubkey::Pubkey;
use tokio::time::Instant;

use super::read_accounts_surely;
use crate::{ChainError, RpcPool};

/// What is at an address that should be a program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// A program.
    Program,
    /// An account that cannot be executed.
    NotExecutable,
    /// Nothing, by every endpoint's word.
    Missing,
}

/// What is at each of `addresses`. One node's null proves nothing: what it has not is looked for on every endpoint.
///
/// # Errors
/// [`ChainError`] if no endpoint answers before `deadline`.
pub async fn deployments(
    pool: &RpcPool,
    addresses: &[Pubkey],
    deadline: Option<Instant>,
) -> Result<Vec<Deployment>, ChainError> {
    let reading = read_accounts_surely(pool, addresses, None, deadline, |_| true).await?;
    let deployment = |account: Option<super::AccountState>| match account {
        Some(account) if account.executable => Deployment::Program,
        Some(_) => Deployment::NotExecutable,
        None => Deployment::Missing,
    };
    Ok(reading.accounts.into_iter().map(deployment).collect())
}
