//! On whose behalf events are taken in, and what may go on once something is safe: acknowledged by the queue, or saved in
//! quarantine.

use tokio::sync::mpsc;

use crate::checkpoint::claim::{Claim, Share};

/// Who has the events of a transaction taken in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behalf<'a> {
    /// Nobody waits for it: what follows from account state is found there again.
    Nobody,
    /// Whoever has claimed the transaction.
    Claim(&'a Claim),
    /// The quarantine, where it stays until all of its messages have told.
    Quarantine(&'a mpsc::Sender<()>),
}

impl Behalf<'_> {
    /// One message more, without which it is not safe.
    pub(crate) fn message(self) -> Settles {
        match self {
            Self::Nobody => Settles::Nothing,
            Self::Claim(claim) => Settles::Message(claim.message()),
            Self::Quarantine(told) => Settles::Quarantined(told.clone()),
        }
    }
}

/// What is settled by one message, or by one item that is saved in quarantine. Dropped before, it is as if it had not been seen.
#[derive(Debug)]
pub(crate) enum Settles {
    Nothing,
    /// A transaction that is not read, and will not be from the listing.
    Transaction(Claim),
    /// Several such.
    Transactions(Vec<Claim>),
    Message(Share),
    Quarantined(mpsc::Sender<()>),
}

impl Settles {
    /// It is safe.
    pub(crate) fn settle(self) {
        match self {
            Self::Nothing => {}
            Self::Transaction(claim) => claim.settle(),
            Self::Transactions(claims) => claims.into_iter().for_each(Claim::settle),
            Self::Message(share) => share.settle(),
            // There is room for each message. Whoever waited may have been told to stop: the item stays then.
            Self::Quarantined(told) => drop(told.try_send(())),
        }
    }
}
