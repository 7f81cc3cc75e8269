//! The life of one signed transaction as a state machine: events in, one effect out. Pure.

use std::sync::Arc;

use session_chain::{ChainError, TransactionFailure};

use crate::delivery::statuses::Landing;

/// Where a transaction is. Its hold is settled when it leaves for [`Life::Over`], and at no other moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Signed and written down; nothing was sent.
    Signed,
    /// On its first way to a node.
    Sending,
    /// A node may have it, and it may come into a block.
    Out,
    /// In a block; its accounts are still to be read there.
    Landed { slot: u64 },
    /// It was in a block, and an account of it is not there: the chain is asked whether it still is.
    Doubted { slot: u64 },
    /// Nothing more happens.
    Over,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// It may be sent.
    Start,
    /// A node took it, or may have.
    Taken,
    /// Every node that was asked proved that it does not have it.
    Refused(Refusal),
    /// It has been out for long without coming into a block.
    BroadcastDue,
    /// It was sent to every endpoint again.
    Broadcast,
    /// The chain has decided.
    Decided(Landing),
    /// Its accounts were read at its slot or later.
    ReadBack { all_there: bool },
    /// Its accounts could not be read for a long time.
    Unreadable,
    /// It was asked whether the transaction is still in a block.
    Asked { still_landed: bool },
    /// The process ends.
    Stopped,
}

/// What is to be done. Each is answered by an event, except the last two.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Send it for the first time, with a simulation before it.
    Send,
    /// Wait for the chain's decision, or until it is time to broadcast.
    Follow,
    /// Send it to every endpoint.
    Broadcast,
    /// Read its accounts at `slot` or later.
    ReadBack { slot: u64 },
    /// Ask for its status once more.
    Ask,
    /// Settle the hold. The end.
    Settle(Fate),
    /// Leave the hold to whoever finds out. The end.
    Leave,
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is in a block and succeeded.
    Landed { slot: u64 },
    /// It is in a block and succeeded, and an account that it created is gone again.
    Closed { slot: u64 },
    /// It is in a block and failed.
    Failed { slot: u64, failure: TransactionFailure },
    /// It is in a block and did not run.
    NotExecuted { slot: u64 },
    /// It is in no block and can't come into one.
    Expired,
    /// No node has it.
    Refused(Refusal),
}

/// Why no node has it.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The simulation refused it.
    Simulation(TransactionFailure),
    /// The node can't read its format.
    Format,
    /// It could not be sent.
    NotSent(Arc<ChainError>),
}

impl Life {
    /// What follows from an event. One that does not belong to the state is late or repeated, and changes nothing.
    pub(crate) fn on(&mut self, event: Event) -> Effect {
        let (next, effect) = match (&*self, event) {
            (Self::Signed, Event::Start) => (Self::Sending, Effect::Send),
            (Self::Sending, Event::Taken) => (Self::Out, Effect::Follow),
            (Self::Sending, Event::Refused(refusal)) => (Self::Over, Effect::Settle(Fate::Refused(refusal))),
            (Self::Out, Event::Decided(landing)) => Self::decided(landing),
            (Self::Landed { slot }, Event::ReadBack { all_there: true } | Event::Unreadable | Event::Stopped) => {
                // The chain has said that it landed, and that is what the money goes by.
                (Self::Over, Effect::Settle(Fate::Landed { slot: *slot }))
            }
            (Self::Landed { slot }, Event::ReadBack { all_there: false }) => {
                (Self::Doubted { slot: *slot }, Effect::Ask)
            }
            (Self::Doubted { slot }, Event::Asked { still_landed: true }) => {
                (Self::Over, Effect::Settle(Fate::Closed { slot: *slot }))
            }
            // After an answer of no, its fork was dropped; it can land on the other one.
            (Self::Out, Event::BroadcastDue) | (Self::Doubted { .. }, Event::Asked { still_landed: false }) => {
                (Self::Out, Effect::Broadcast)
            }
            (Self::Signed | Self::Sending | Self::Out | Self::Doubted { .. }, Event::Stopped) => {
                (Self::Over, Effect::Leave)
            }
            (unchanged, _) => (unchanged.clone(), unchanged.activity()),
        };
        *self = next;
        effect
    }

    fn decided(landing: Landing) -> (Self, Effect) {
        match landing {
            Landing::Landed { slot } => (Self::Landed { slot }, Effect::ReadBack { slot }),
            Landing::Failed { slot, error } => {
                let fate = Fate::Failed { slot, failure: error };
                (Self::Over, Effect::Settle(fate))
            }
            Landing::NotExecuted { slot } => (Self::Over, Effect::Settle(Fate::NotExecuted { slot })),
            Landing::Expired => (Self::Over, Effect::Settle(Fate::Expired)),
        }
    }

    /// What is being waited for in this state.
    fn activity(&self) -> Effect {
        match self {
            Self::Signed | Self::Sending => Effect::Send,
            Self::Out => Effect::Follow,
            Self::Landed { slot } => Effect::ReadBack { slot: *slot },
            Self::Doubted { .. } => Effect::Ask,
            Self::Over => Effect::Leave,
        }
    }
}

impl Fate {
    /// The fate as the books have it.
    pub(crate) fn in_the_books(&self) -> session_ledger::Fate {
        match self {
            Self::Landed { slot } | Self::Closed { slot } => session_ledger::Fate::Landed {
                slot: *slot,
                spent: None,
            },
            Self::Failed { slot, .. } => session_ledger::Fate::Failed {
                slot: *slot,
                fee_lamports: None,
            },
            // A transaction that did not run cost as much as one that is in no block.
            Self::NotExecuted { .. } | Self::Expired => session_ledger::Fate::Expired,
            Self::Refused(_) => session_ledger::Fate::Refused,
        }
    }
}

#[cfg(test)]
mod tests;
