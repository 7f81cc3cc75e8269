//! Why a request waits: something that passes with time, and of which no attempt can cure it.

use std::time::Duration;

use session_chain::ChainError;
use session_ledger::HoldId;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use thiserror::Error;

use crate::batch::error::CreationError;

/// Something that passes with time.
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
    /// The budget of whoever answers for the request.
    #[error(
        "{requested} lamports would make {spent} spent for requester {requester} in this hour more than the budget of {limit}"
    )]
    RequesterBudget {
        /// Who answers for it: the requester, or the session's owner where that is not known.
        requester: Pubkey,
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
    /// No RPC endpoint has answered as a node that is well does.
    #[error("no node has answered: {0}")]
    NoNode(String),
    /// The deadline came first. A transaction that is out is remembered and looked for at the next attempt.
    #[error("the deadline came before the account was verified{}", in_flight(.0.as_ref()))]
    NoTimeLeft(Option<Signature>),
    /// Another process has a transaction for the account out.
    #[error("hold {0} is for the same account, and its transaction is not decided")]
    AccountBusy(HoldId),
    /// The books cannot be reached, and without them nothing is spent.
    #[error("the books have not answered: {0}")]
    NoLedger(String),
    /// The wallet's key is in another place, which has not answered.
    #[error("wallet {payer} has no signature: {reason}")]
    NoSignature {
        /// The wallet.
        payer: Pubkey,
        /// What the key's keeper said, or that it said nothing.
        reason: String,
    },
    /// The service is set up so that no request can succeed.
    #[error("the service cannot create accounts as it is set up: {0}")]
    Misconfigured(String),
}

impl Deferral {
    /// Why an outage keeps a request waiting.
    pub(crate) fn of_outage(error: &ChainError) -> Self {
        match error {
            ChainError::DeadlineReached { last: None, .. } => Self::NoTimeLeft(None),
            ChainError::DeadlineReached { last: Some(last), .. } => Self::of_outage(last),
            ChainError::RateLimited { .. } => Self::RateLimited(error.to_string()),
            _ => Self::NoNode(error.to_string()),
        }
    }

    /// The answer of whoever has to wait for so long; absent where nobody knows.
    pub(crate) fn until(self, after: Option<Duration>) -> CreationError {
        CreationError::Deferred { reason: self, after }
    }

    /// Name of the reason in metrics, logs and dead letters.
    pub(crate) fn reason_code(&self) -> &'static str {
        match self {
            Self::HourlyBudget { .. } => "hourly_budget",
            Self::RequesterBudget { .. } => "requester_budget",
            Self::WalletReserve { .. } => "wallet_reserve",
            Self::WalletEmpty => "wallet_empty",
            Self::RateLimited(_) => "rate_limited",
            Self::NoNode(_) => "no_node",
            Self::NoTimeLeft(_) => "no_time_left",
            Self::AccountBusy(_) => "account_busy",
            Self::NoLedger(_) => "no_ledger",
            Self::NoSignature { .. } => "no_signature",
            Self::Misconfigured(_) => "misconfigured",
        }
    }
}

/// Nobody knows for how long.
impl From<Deferral> for CreationError {
    fn from(reason: Deferral) -> Self {
        reason.until(None)
    }
}

fn in_flight(signature: Option<&Signature>) -> String {
    signature
        .map(|signature| format!("; transaction {signature} is out"))
        .unwrap_or_default()
}
