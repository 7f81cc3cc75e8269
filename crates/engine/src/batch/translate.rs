//! What the rooms below say, in the words of answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use session_ledger::Refusal;
use solana_sdk::signature::Signature;

use crate::batch::error::{CreationError, Deferral, Failure};
use crate::delivery::blockhash::RecentError;
use crate::delivery::registry::Unmade;

/// A limit that names no time.
const LIMIT_PAUSE: Duration = Duration::from_mins(1);
/// Another process decides its transaction about as soon as this one would.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Why a request has no money.
pub(crate) fn no_money(refusal: &Refusal) -> CreationError {
    let until = |room_at: Option<SystemTime>| {
        room_at.map_or(LIMIT_PAUSE, |at| {
            at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO)
        })
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
            until(room_at),
        ),
        Refusal::RequesterBudget {
            requester,
            spent,
            requested,
            limit,
            room_at,
        } => {
            let reason = Deferral::OwnerBudget {
                owner: requester,
                spent,
                requested,
                limit,
            };
            (reason, until(room_at))
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
            (reason, LIMIT_PAUSE)
        }
        Refusal::CreatedBefore { signature, slot, .. } => return CreationError::Closed { signature, slot },
        Refusal::Busy { .. } | Refusal::StaleReading { .. } => (Deferral::NoTimeLeft(None), BUSY_PAUSE),
    };
    CreationError::Deferred { reason, after }
}

/// Why a transaction could not be made, for each of its requests.
pub(crate) fn unmade(unmade: &Unmade) -> CreationError {
    match unmade {
        Unmade::NoBlockhash(RecentError::Chain(error)) => CreationError::from_shared(error),
        Unmade::NoRoom | Unmade::NoBlockhash(RecentError::DeadlineReached | RecentError::Stopped) => {
            CreationError::no_time_left(None)
        }
        Unmade::Compilation(reason) => CreationError::failed(Failure::Compilation(reason.clone())),
        Unmade::Signing { payer, reason } => CreationError::failed(Failure::Signing {
            payer: *payer,
            reason: reason.clone(),
        }),
        Unmade::Ledger(error) => CreationError::failed(Failure::Ledger(Arc::clone(error))),
    }
}

/// A transaction that came to nothing and may be made again.
pub(crate) fn expired(signature: Signature) -> Failure {
    Failure::Expired(signature)
}
