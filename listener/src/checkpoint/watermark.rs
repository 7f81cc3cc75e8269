//! Which transactions are under way, and how far everything is settled.
//!
//! The chain's own listing alone moves the cursor, because only a listing can say that nothing is missing before it.
//! Notifications are a fast path: their transactions are tracked here, so that the listing finds them done.
//!
//! The cursor is slot-granular: it stops before the slot of the first transaction that is listed and unsettled, so
//! that neither the order inside a slot nor the order of settling can move it past anything.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use solana_sdk::signature::Signature;

use crate::decode::listed::Listed;

/// Listed transactions that are remembered after they are settled, so that a late notification is known as a repetition.
const REMEMBERED_MAX: usize = 2_048;

/// A place in the program's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Every transaction in this slot and in those before it lies behind the mark.
    pub slot: u64,
    /// The newest transaction behind the mark, if one is known: a listing that shows it has reached the mark.
    pub signature: Option<Signature>,
}

/// The transactions between the cursor and the tip.
#[derive(Debug)]
pub(crate) struct Watermark {
    /// Everything behind it has been listed.
    listed: Mark,
    /// Slot and signature of the newest listed transaction.
    newest: Option<(u64, Signature)>,
    /// Listed and unsettled transactions in their order, each with the mark before its slot.
    open: BTreeMap<u64, Mark>,
    next_position: u64,
    tracked: HashMap<Signature, Tracked>,
    /// Tracked transactions that no listing has shown yet.
    unlisted: usize,
    remembered: Remembered,
}

#[derive(Debug)]
struct Tracked {
    slot: u64,
    reading: Reading,
    /// Messages that the queue has not settled.
    messages: usize,
    /// Key in `open`, once listed.
    position: Option<u64>,
}

impl Tracked {
    fn is_settled(&self) -> bool {
        self.reading == Reading::Done && self.messages == 0
    }
}

/// How far somebody is with reading a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Somebody reads it, and it counts as read when he says so.
    Claimed,
    /// Somebody reads it, and a message of it was lost meanwhile: it has to be read once more.
    Damaged,
    /// Whoever read it gave it back, or lost a message of it: it has to be read by somebody.
    Owed,
    /// All its messages are made.
    Done,
}

impl Watermark {
    /// Starts where an earlier run ended.
    pub(crate) fn new(cursor: Mark) -> Self {
        Self {
            newest: cursor.signature.map(|signature| (cursor.slot, signature)),
            listed: cursor,
            open: BTreeMap::new(),
            next_position: 0,
            tracked: HashMap::new(),
            unlisted: 0,
            remembered: Remembered::default(),
        }
    }

    /// Takes a transaction on. False if somebody has it, or all its messages are made; otherwise it is unsettled until it is
    /// [read](Self::read) or [given back](Self::give_back).
    pub(crate) fn claim(&mut self, signature: Signature, slot: u64) -> bool {
        if let Some(tracked) = self.tracked.get_mut(&signature) {
            let owed = tracked.reading == Reading::Owed;
            if owed {
                tracked.reading = Reading::Claimed;
            }
            return owed;
        }
        if self.remembered.contains(&signature) {
            return false;
        }
        let tracked = Tracked {
            slot,
            reading: Reading::Claimed,
            messages: 0,
            position: None,
        };
        self.tracked.insert(signature, tracked);
        self.unlisted += 1;
        true
    }

    /// A claimed transaction was not read after all: as if nobody had seen it, and somebody has to if it is listed.
    pub(crate) fn give_back(&mut self, signature: &Signature) {
        self.set_owed(signature);
        self.let_go(signature);
    }

    /// All messages of a claimed transaction are made.
    pub(crate) fn read(&mut self, signature: &Signature) {
        if let Some(tracked) = self.tracked.get_mut(signature) {
            tracked.reading = match tracked.reading {
                Reading::Damaged | Reading::Owed => Reading::Owed,
                Reading::Claimed | Reading::Done => Reading::Done,
            };
            self.let_go(signature);
        }
    }

    /// One more message of the transaction is under way.
    pub(crate) fn add_message(&mut self, signature: &Signature) {
        if let Some(tracked) = self.tracked.get_mut(signature) {
            tracked.messages += 1;
        }
    }

    /// The queue is done with one message of the transaction.
    pub(crate) fn settle(&mut self, signature: &Signature) {
        if let Some(tracked) = self.tracked.get_mut(signature) {
            tracked.messages = tracked.messages.saturating_sub(1);
            self.let_go(signature);
        }
    }

    /// One message of the transaction went away unsettled: the transaction has to be read once more.
    pub(crate) fn lose_message(&mut self, signature: &Signature) {
        if let Some(tracked) = self.tracked.get_mut(signature) {
            tracked.reading = match tracked.reading {
                Reading::Claimed | Reading::Damaged => Reading::Damaged,
                Reading::Owed | Reading::Done => Reading::Owed,
            };
        }
        self.settle(signature);
    }

    /// Forgets a transaction that nobody has to do anything for any more, as far as the listing allows.
    fn let_go(&mut self, signature: &Signature) {
        let Some(tracked) = self.tracked.get(signature) else {
            return;
        };
        match (tracked.position, tracked.reading) {
            _ if tracked.messages > 0 => {}
            (Some(position), Reading::Done) => {
                self.open.remove(&position);
                self.tracked.remove(signature);
            }
            // The listing has passed its slot without it: nobody will ask for it again.
            (None, Reading::Done) if tracked.slot <= self.listed.slot => self.forget_unlisted(*signature),
            (None, Reading::Owed) => {
                self.tracked.remove(signature);
                self.unlisted -= 1;
            }
            _ => {}
        }
    }

    /// Listed transactions that were given back: nobody reads them, and the cursor waits before them.
    pub(crate) fn owed(&self) -> Vec<Listed> {
        let owed = |tracked: &Tracked| tracked.reading == Reading::Owed && tracked.position.is_some();
        let owed = self.tracked.iter().filter(|(_, tracked)| owed(tracked));
        let mut owed: Vec<Listed> = owed
            .map(|(signature, tracked)| Listed {
                signature: *signature,
                slot: tracked.slot,
                failed: false,
            })
            .collect();
        owed.sort_by_key(|listed| listed.slot);
        owed
    }

    /// The listing shows this transaction next. Slots must not fall from one call to the next. What nobody has, because
    /// whoever had it gave it back before this call, is owed.
    pub(crate) fn list(&mut self, listed: Listed) {
        let Listed {
            signature,
            slot,
            failed,
        } = listed;
        if slot > self.listed.slot + 1 {
            // All slots before this one are complete.
            self.complete_up_to(slot - 1);
        }
        // A failed transaction changes nothing: nobody reads it.
        if !failed && !self.remembered.contains(&signature) {
            if self.claim(signature, slot) {
                self.set_owed(&signature);
            }
            self.open_position(signature, slot);
            self.remembered.insert(signature);
        }
        if self.newest.is_none_or(|(newest, _)| slot >= newest) {
            self.newest = Some((slot, signature));
        }
    }

    fn set_owed(&mut self, signature: &Signature) {
        if let Some(tracked) = self.tracked.get_mut(signature) {
            tracked.reading = Reading::Owed;
        }
    }

    fn open_position(&mut self, signature: Signature, slot: u64) {
        let Some(tracked) = self.tracked.get_mut(&signature) else {
            return;
        };
        if tracked.position.is_some() {
            return;
        }
        self.unlisted -= 1;
        if tracked.is_settled() {
            self.tracked.remove(&signature);
            return;
        }
        // A fork may have put it into another slot than the one it was seen in.
        tracked.slot = slot;
        tracked.position = Some(self.next_position);
        let before = if self.listed.slot < slot {
            self.listed
        } else {
            Mark {
                slot: slot.saturating_sub(1),
                signature: None,
            }
        };
        self.open.insert(self.next_position, before);
        self.next_position += 1;
    }

    /// Everything up to the end of `slot` has been listed.
    pub(crate) fn complete_up_to(&mut self, slot: u64) {
        if slot <= self.listed.slot {
            return;
        }
        self.listed = Mark {
            slot,
            signature: self.newest.map(|(_, signature)| signature),
        };
        let passed: Vec<Signature> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| tracked.position.is_none() && tracked.is_settled() && tracked.slot <= slot)
            .map(|(signature, _)| *signature)
            .collect();
        for signature in passed {
            self.forget_unlisted(signature);
        }
    }

    fn forget_unlisted(&mut self, signature: Signature) {
        self.tracked.remove(&signature);
        self.unlisted -= 1;
        self.remembered.insert(signature);
    }

    /// The end of the contiguous settled prefix.
    pub(crate) fn cursor(&self) -> Mark {
        let first_open = self.open.first_key_value().map(|(_, before)| *before);
        match first_open {
            Some(before) if before.slot < self.listed.slot => before,
            _ => self.listed,
        }
    }

    /// The end of what has been listed.
    pub(crate) fn listed(&self) -> Mark {
        self.listed
    }

    /// Transactions that were taken on and that no listing has shown yet.
    pub(crate) fn unlisted(&self) -> usize {
        self.unlisted
    }
}

/// The last few thousand signatures.
#[derive(Debug, Default)]
struct Remembered {
    order: VecDeque<Signature>,
    known: HashSet<Signature>,
}

impl Remembered {
    fn contains(&self, signature: &Signature) -> bool {
        self.known.contains(signature)
    }

    fn insert(&mut self, signature: Signature) {
        if !self.known.insert(signature) {
            return;
        }
        self.order.push_back(signature);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
