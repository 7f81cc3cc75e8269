//! Why a creation has not happened, and what to do with the request.

use std::sync::Arc;
use std::time::Duration;

use session_chain::{ChainError, Retryability, TransactionFailure};
use session_ledger::LedgerError;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use thiserror::Error;

use crate::batch::deferral::Deferral;
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
    /// Something that passes with time stands against it. Nothing is wrong with the request, and nothing that it could have
    /// succeeded by was tried.
    #[error("{reason}")]
    Deferred {
        /// What stands against it.
        reason: Deferral,
        /// Not worth trying sooner; absent where nobody knows.
        after: Option<Duration>,
    },
    /// It was tried and failed, and may succeed at the next attempt.
    #[error("{reason}")]
    Failed {
        /// What failed.
        reason: Failure,
    },
}

/// What failed.
#[derive(Clone, Debug, Error)]
pub enum Failure {
    /// A node said no to what this service asked of it.
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
    /// The books refused what this service wrote.
    #[error("{0}")]
    Ledger(Arc<LedgerError>),
    /// The key would not sign.
    #[error("wallet {payer} did not sign: {reason}")]
    Signing {
        /// The wallet.
        payer: Pubkey,
        /// Why.
        reason: String,
    },
    /// The transaction could not be put together.
    #[error("the transaction could not be put together: {0}")]
    Compilation(String),
}

/// What to do with the message of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// To the dead letters, now.
    DeadLetter,
    /// Again later, and this was an attempt.
    Retry,
    /// Again later, and this was no attempt; not sooner than `after`, where that is known.
    Wait {
        /// The shortest useful wait.
        after: Option<Duration>,
    },
}

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
            Self::Deferred { after, .. } => Disposition::Wait { after: *after },
            Self::Failed { .. } => Disposition::Retry,
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

    /// What the chain's error means for each request that needed its answer. `rest` is how long no endpoint may be called
    /// from now on.
    #[must_use]
    pub fn of_chain(error: &Arc<ChainError>, rest: Duration) -> Self {
        if !error.is_outage() {
            return Self::failed(Failure::Chain(Arc::clone(error)));
        }
        let asked = match error.retryability() {
            Retryability::After(asked) => Some(asked),
            Retryability::Backoff | Retryability::Never => None,
        };
        let rest = Some(rest).filter(|rest| !rest.is_zero());
        Deferral::of_outage(error).until(asked.max(rest))
    }

    pub(crate) fn no_time_left(signature: Option<Signature>) -> Self {
        // Whatever is out is decided within seconds, and what was not begun can be begun at once.
        Deferral::NoTimeLeft(signature).until(Some(Duration::ZERO))
    }

    pub(crate) fn failed(reason: Failure) -> Self {
        Self::Failed { reason }
    }
}

impl From<EngineError> for CreationError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Chain(error) => Self::of_chain(&Arc::new(error), Duration::ZERO),
            EngineError::NoWallet | EngineError::AuthorityIsNoWallet { .. } => {
                Deferral::Misconfigured(error.to_string()).into()
            }
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
            Self::Ledger(_) => "ledger_failed",
            Self::Signing { .. } => "signing_failed",
            Self::Compilation(_) => "compilation_failed",
        }
    }
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

    fn resting(seconds: u64) -> ChainError {
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

    fn of(error: ChainError, rest: u64) -> CreationError {
        CreationError::of_chain(&Arc::new(error), Duration::from_secs(rest))
    }

    fn wait(seconds: u64) -> Disposition {
        let after = Some(Duration::from_secs(seconds));
        Disposition::Wait { after }
    }

    #[test]
    fn an_outage_waits_for_as_long_as_the_nodes_ask_even_where_a_deadline_cut_it_off() {
        for error in [resting(7), cut_off(Some(resting(7)))] {
            let error = of(error, 0);
            assert_eq!(error.reason_code(), "no_node");
            assert_eq!(error.disposition(), wait(7));
        }
        let malformed = || ChainError::DeadlineReached {
            method: "getSlot",
            last: Some(Box::new(ChainError::UnsupportedTransactionVersion)),
        };
        assert_eq!(
            of(malformed(), 3).disposition(),
            wait(3),
            "until a circuit lets somebody through"
        );
        assert_eq!(of(malformed(), 0).disposition(), Disposition::Wait { after: None });
        assert_eq!(of(resting(7), 9).disposition(), wait(9), "the later of both");
    }

    #[test]
    fn a_deadline_alone_is_no_time_left_and_a_nodes_no_is_an_attempt() {
        assert_eq!(of(cut_off(None), 0).reason_code(), "no_time_left");
        let error = of(cut_off(Some(ChainError::SlotSkipped { code: -32_007 })), 5);
        assert_eq!(error.disposition(), Disposition::Retry);
    }

    #[test]
    fn a_service_that_is_set_up_wrongly_takes_no_messages_attempt() {
        let error = CreationError::from(EngineError::NoWallet);
        assert_eq!(error.reason_code(), "misconfigured");
        assert_eq!(error.disposition(), Disposition::Wait { after: None });
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
