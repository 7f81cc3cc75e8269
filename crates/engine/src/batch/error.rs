//! Why a creation has not happened, and what to do with the request.

use std::sync::Arc;
use std::time::Duration;

use session_chain::{ChainError, TransactionFailure};
use session_ledger::{HoldId, LedgerError};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use thiserror::Error;

use crate::request::rejection::Rejection;
use crate::transaction::program_error::ProgramError;
use crate::verify::mismatch::Mismatch;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This engine created the account, and it is verified.
    Created {
        /// The transaction.
        signature: Signature,
        /// The slot that it landed in.
        slot: u64,
    },
    /// The account was there already, and it is verified.
    AlreadyExisted,
}

/// Why a request has no account.
#[derive(Clone, Debug, Error)]
pub enum CreationError {
    /// It can never have one: to the dead letters at once.
    #[error("{0}")]
    Rejected(#[from] Rejection),
    /// Something else is at the address: to the dead letters at once.
    #[error("the account exists and is not the one that was asked for: {0}")]
    Mismatched(Mismatch),
    /// The owner program says no, and will say so again: to the dead letters at once.
    #[error("program {program} refused the creation: {error}")]
    RefusedByProgram {
        /// The program.
        program: Pubkey,
        /// What it said.
        error: ProgramError,
    },
    /// The account was created for this request, and is gone: its owner closed it. Only a new request creates another.
    #[error("the account was created by transaction {signature} in slot {slot}, and its owner has closed it since")]
    Closed {
        /// The transaction that created it.
        signature: Signature,
        /// Its slot.
        slot: u64,
    },
    /// A limit that passes with time stands against it. Nothing is wrong with the request.
    #[error("{reason}")]
    Deferred {
        /// The limit.
        reason: Deferral,
        /// Not worth trying sooner.
        after: Duration,
    },
    /// It failed, and may succeed at the next attempt.
    #[error("{reason}")]
    Failed {
        /// What failed.
        reason: Failure,
    },
}

/// A limit that passes with time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Deferral {
    /// The budget of all requests.
    #[error("{requested} lamports would make {spent} spent in this hour more than the budget of {limit}")]
    HourlyBudget {
        /// Lamports spent in the last hour.
        spent: u64,
        /// Lamports that this request needs.
        requested: u64,
        /// The budget.
        limit: u64,
    },
    /// The budget of one session owner.
    #[error(
        "{requested} lamports would make {spent} spent for session owner {owner} in this hour more than the budget of {limit}"
    )]
    OwnerBudget {
        /// The session owner.
        owner: Pubkey,
        /// Lamports spent for it in the last hour.
        spent: u64,
        /// Lamports that this request needs.
        requested: u64,
        /// The budget.
        limit: u64,
    },
    /// No wallet may go below its reserve.
    #[error("{requested} lamports would leave the wallet less than its reserve of {reserve}: {available} are there")]
    WalletReserve {
        /// Lamports in the fullest wallet, less those in flight.
        available: u64,
        /// Lamports that the transaction needs.
        requested: u64,
        /// The reserve.
        reserve: u64,
    },
    /// The chain says that the wallet has too little.
    #[error("the wallet has too little for the transaction, says the chain")]
    WalletEmpty,
    /// The RPC endpoints ask for rest.
    #[error("the RPC endpoints limit the rate: {0}")]
    RateLimited(String),
    /// The deadline came first. A transaction that is out is remembered and looked for at the next attempt.
    #[error("the deadline came before the account was verified{}", in_flight(.0.as_ref()))]
    NoTimeLeft(Option<Signature>),
}

/// What failed.
#[derive(Clone, Debug, Error)]
pub enum Failure {
    /// No RPC endpoint could serve the request.
    #[error("{0}")]
    Chain(Arc<ChainError>),
    /// The owner program failed.
    #[error("program {program} failed with {error}")]
    Program {
        /// The program.
        program: Pubkey,
        /// Its error.
        error: ProgramError,
    },
    /// The transaction failed as a whole.
    #[error("the transaction failed: {0}")]
    Transaction(TransactionFailure),
    /// The transaction never made it into a block.
    #[error("transaction {0} expired without landing")]
    Expired(Signature),
    /// The transaction is in a block, and did not run.
    #[error("transaction {0} is in a block and did not run: its payer could not pay for it")]
    NotExecuted(Signature),
    /// Another process has a transaction for the account out.
    #[error("hold {0} is for the same account, and its transaction is not decided")]
    Busy(HoldId),
    /// The books could not be asked whether there is money.
    #[error("{0}")]
    Ledger(Arc<LedgerError>),
    /// The key could not sign.
    #[error("wallet {payer} could not sign: {reason}")]
    Signing {
        /// The wallet.
        payer: Pubkey,
        /// Why.
        reason: String,
    },
    /// The service itself is set up so that it cannot work.
    #[error("the service cannot create accounts as it is set up: {0}")]
    Misconfigured(String),
    /// The transaction could not be put together.
    #[error("the transaction could not be put together: {0}")]
    Compilation(String),
}

/// What to do with the message of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// To the dead letters, now.
    DeadLetter,
    /// Again later; not sooner than `after`, where that is known.
    RetryLater {
        /// The shortest useful wait.
        after: Option<Duration>,
    },
}

/// Budgets open up minute by minute.
const BUDGET_PAUSE: Duration = Duration::from_mins(1);
/// A rate limit that names no time.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(1);

impl CreationError {
    /// Name of the reason in metrics, logs and dead letters.
    #[must_use]
    pub fn reason_code(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.reason_code(),
            Self::Mismatched(mismatch) => mismatch.reason_code(),
            Self::RefusedByProgram { .. } => "refused_by_program",
            Self::Closed { .. } => "account_closed",
            Self::Deferred { reason, .. } => reason.reason_code(),
            Self::Failed { reason } => reason.reason_code(),
        }
    }

    /// What to do with the message.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Rejected(_) | Self::Mismatched(_) | Self::RefusedByProgram { .. } | Self::Closed { .. } => {
                Disposition::DeadLetter
            }
            Self::Deferred { after, .. } => Disposition::RetryLater { after: Some(*after) },
            Self::Failed { .. } => Disposition::RetryLater { after: None },
        }
    }

    /// The transaction that was sent last for this request, where there was one.
    #[must_use]
    pub fn last_signature(&self) -> Option<Signature> {
        match self {
            Self::Deferred {
                reason: Deferral::NoTimeLeft(signature),
                ..
            } => *signature,
            Self::Closed { signature, .. }
            | Self::Failed {
                reason: Failure::Expired(signature) | Failure::NotExecuted(signature),
            } => Some(*signature),
            _ => None,
        }
    }

    pub(crate) fn no_time_left(signature: Option<Signature>) -> Self {
        Self::Deferred {
            reason: Deferral::NoTimeLeft(signature),
            after: Duration::ZERO,
        }
    }

    /// The same error for every request that needed the reading.
    pub(crate) fn from_shared(error: &Arc<ChainError>) -> Self {
        match limit(error) {
            Some(deferred) => deferred,
            None => Self::failed(Failure::Chain(Arc::clone(error))),
        }
    }

    pub(crate) fn failed(reason: Failure) -> Self {
        Self::Failed { reason }
    }
}

impl From<ChainError> for CreationError {
    fn from(error: ChainError) -> Self {
        Self::from_shared(&Arc::new(error))
    }
}

/// A rate limit is no failure of the request, and neither is a deadline; a deadline that cut retries off
/// is what the last try says.
fn limit(error: &ChainError) -> Option<CreationError> {
    let after = match error {
        ChainError::DeadlineReached { last: Some(last), .. } => return limit(last),
        ChainError::DeadlineReached { last: None, .. } => return Some(CreationError::no_time_left(None)),
        ChainError::RateLimited { retry_after, .. } => retry_after.unwrap_or(RATE_LIMIT_PAUSE),
        ChainError::Resting { retry_after } => *retry_after,
        _ => return None,
    };
    Some(CreationError::Deferred {
        reason: Deferral::RateLimited(error.to_string()),
        after,
    })
}

impl From<EngineError> for CreationError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Chain(error) => error.into(),
            EngineError::NoWallet | EngineError::AuthorityIsNoWallet { .. } => {
                Self::failed(Failure::Misconfigured(error.to_string()))
            }
        }
    }
}

impl From<Deferral> for CreationError {
    fn from(reason: Deferral) -> Self {
        Self::Deferred {
            reason,
            after: BUDGET_PAUSE,
        }
    }
}

impl Deferral {
    fn reason_code(&self) -> &'static str {
        match self {
            Self::HourlyBudget { .. } => "hourly_budget",
            Self::OwnerBudget { .. } => "owner_budget",
            Self::WalletReserve { .. } => "wallet_reserve",
            Self::WalletEmpty => "wallet_empty",
            Self::RateLimited(_) => "rate_limited",
            Self::NoTimeLeft(_) => "no_time_left",
        }
    }
}

impl Failure {
    fn reason_code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.outcome(),
            Self::Program { .. } => "program_failed",
            Self::Transaction(_) => "transaction_failed",
            Self::Expired(_) => "transaction_expired",
            Self::NotExecuted(_) => "transaction_not_executed",
            Self::Busy(_) => "account_busy",
            Self::Ledger(_) => "ledger_failed",
            Self::Signing { .. } => "signing_failed",
            Self::Misconfigured(_) => "misconfigured",
            Self::Compilation(_) => "compilation_failed",
        }
    }
}

fn in_flight(signature: Option<&Signature>) -> String {
    signature
        .map(|signature| format!("; transaction {signature} is out"))
        .unwrap_or_default()
}

/// Why an engine could not start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The chain could not be asked what the engine needs to know.
    #[error("the engine cannot start: {0}")]
    Chain(#[from] ChainError),
    /// Nobody could pay.
    #[error("the engine cannot start: no wallet is configured")]
    NoWallet,
    /// `mark_created` needs the authority's signature.
    #[error("the engine cannot start: mark_created needs the factory's authority {authority} among the wallets")]
    AuthorityIsNoWallet {
        /// The authority.
        authority: Pubkey,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_limited(seconds: u64) -> ChainError {
        ChainError::Resting {
            retry_after: Duration::from_secs(seconds),
        }
    }

    fn cut_off(last: Option<ChainError>) -> ChainError {
        ChainError::DeadlineReached {
            method: "getSlot",
            last: last.map(Box::new),
        }
    }

    #[test]
    fn a_rate_limit_defers_for_as_long_as_it_asks_even_where_a_deadline_cut_it_off() {
        for error in [rate_limited(7), cut_off(Some(rate_limited(7)))] {
            let error = CreationError::from(error);
            assert_eq!(error.reason_code(), "rate_limited");
            assert_eq!(
                error.disposition(),
                Disposition::RetryLater {
                    after: Some(Duration::from_secs(7))
                }
            );
        }
    }

    #[test]
    fn a_deadline_alone_defers_and_a_broken_endpoint_fails() {
        assert_eq!(CreationError::from(cut_off(None)).reason_code(), "no_time_left");
        let error = CreationError::from(cut_off(Some(ChainError::SlotSkipped { code: -32_007 })));
        assert_eq!(error.disposition(), Disposition::RetryLater { after: None });
    }

    #[test]
    fn what_can_never_succeed_is_dead_at_once() {
        let error = CreationError::from(Rejection::SizeOverLimit { size: 2, limit: 1 });
        assert_eq!(error.disposition(), Disposition::DeadLetter);
        assert_eq!(
            error.to_string(),
            "an account of 2 bytes was asked for, and 1 is the limit"
        );
    }
}
