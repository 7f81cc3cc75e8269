//! What the rooms below say, in the words of answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use session_ledger::{LedgerError, Refusal};
use solana_pubkey::Pubkey;

use crate::batch::deferral::Deferral;
use crate::batch::error::{CreationError, Failure};
use crate::delivery::blockhash::RecentError;
use crate::delivery::registry::Unmade;
use crate::treasury::promises::{Promises, Spent};

/// Another process decides its transaction about as soon as this one would.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Why a request that needs so many lamports has no money.
pub(crate) fn no_money(refusal: &Refusal, lamports: u64, promises: &Promises) -> CreationError {
    let now = session_clock::now();
    let until = |whose: Option<Pubkey>, limit: u64, room_at: Option<SystemTime>| {
        let spent = Spent {
            whose,
            limit,
            room_at: room_at?,
        };
        let promised = promises.promise(&spent, lamports, now);
        Some(promised.duration_since(now).unwrap_or(Duration::ZERO))
    };
    let (reason, after) = match *refusal {
        Refusal::Budget {
            spent,
            requested,
            limit,
            room_at,
        } => (
            Deferral::HourlyBudget {
                spent,
                requested,
                limit,
            },
            until(None, limit, room_at),
        ),
        Refusal::RequesterBudget {
            requester,
            spent,
            requested,
            limit,
            room_at,
        } => {
            let reason = Deferral::RequesterBudget {
                requester,
                spent,
                requested,
                limit,
            };
            (reason, until(Some(requester), limit, room_at))
        }
        Refusal::WalletReserve {
            available,
            requested,
            reserve,
            ..
        } => {
            let reason = Deferral::WalletReserve {
                available,
                requested,
                reserve,
            };
            (reason, None)
        }
        Refusal::CreatedBefore { signature, slot, .. } => return CreationError::Closed { signature, slot },
        Refusal::Busy { hold, .. } => (Deferral::AccountBusy(hold), Some(BUSY_PAUSE)),
        Refusal::StaleReading { .. } => (Deferral::NoTimeLeft(None), Some(BUSY_PAUSE)),
    };
    reason.until(after)
}

/// Why a transaction could not be made, for each of its requests. `rest` is how long no endpoint may be called.
pub(crate) fn unmade(unmade: &Unmade, rest: Duration) -> CreationError {
    match unmade {
        Unmade::NoBlockhash(RecentError::Chain(error)) => CreationError::of_chain(error, rest),
        Unmade::NoRoom | Unmade::NoBlockhash(RecentError::DeadlineReached | RecentError::Stopped) => {
            CreationError::no_time_left(None)
        }
        Unmade::Compilation(reason) => CreationError::failed(Failure::Compilation(reason.clone())),
        Unmade::Unsigned { payer, unsigned } => {
            let (payer, reason) = (*payer, unsigned.to_string());
            // A key that has said nothing was not tried; one that has said no was.
            if unsigned.is_outage() {
                Deferral::NoSignature { payer, reason }.into()
            } else {
                CreationError::failed(Failure::Signing { payer, reason })
            }
        }
        Unmade::Ledger(error) => ledger(error),
    }
}

/// What the books' error means for each request that needed their word.
pub(crate) fn ledger(error: &Arc<LedgerError>) -> CreationError {
    if error.is_retryable() {
        Deferral::NoLedger(error.to_string()).into()
    } else {
        CreationError::failed(Failure::Ledger(Arc::clone(error)))
    }
}
