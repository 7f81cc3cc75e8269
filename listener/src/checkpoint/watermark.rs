//! Which transactions are under way, and how far everything is settled.
//!
//! The chain's own listing alone moves the watermark, because only a listing can say that nothing is missing before it.
//! Notifications are a fast path: their transactions are tracked here, so that the listing finds them done.
//!
//! The watermark is slot-granular: it stops before the slot of the first transaction that is listed and unsettled, so
//! that neither the order inside a slot nor the order of settling can move it past anything.

use std::collections::{BTreeMap, HashMap, VecDeque};

use solana_sdk::signature::Signature;

use crate::bounded;
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

/// The transactions between the watermark and the tip.
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
    /// What nobody has asked about yet.
    vanished: Vec<Vanished>,
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

/// A transaction that was taken in from a slot which is complete without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vanished {
    pub(crate) signature: Signature,
    pub(crate) slot: u64,
}

/// What the listing's sight of a transaction means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Whoever lists it has claimed it.
    New,
    /// The same, after it was read from another slot.
    Moved { seen_slot: u64 },
    /// Somebody else has it, or it is done.
    Known,
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
    pub(crate) fn new(mark: Mark) -> Self {
        Self {
            newest: mark.signature.map(|signature| (mark.slot, signature)),
            listed: mark,
            open: BTreeMap::new(),
            next_position: 0,
            tracked: HashMap::new(),
            unlisted: 0,
            remembered: Remembered::default(),
            vanished: Vec::new(),
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

    /// The same for a transaction that the listing shows. One that was read from another slot was in a fork: what it asks for
    /// may have been answered there, too, so it is read once more.
    pub(crate) fn claim_listed(&mut self, signature: Signature, slot: u64) -> Listing {
        if let Some(tracked) = self.tracked.get_mut(&signature)
            && tracked.position.is_none()
            && tracked.slot != slot
        {
            let seen_slot = std::mem::replace(&mut tracked.slot, slot);
            tracked.reading = match tracked.reading {
                Reading::Claimed | Reading::Damaged => Reading::Damaged,
                Reading::Owed | Reading::Done => Reading::Claimed,
            };
            return match tracked.reading {
                Reading::Claimed => Listing::Moved { seen_slot },
                _ => Listing::Known,
            };
        }
        if let Some(seen_slot) = self.remembered.slot(&signature)
            && seen_slot != slot
            && !self.tracked.contains_key(&signature)
        {
            self.remembered.forget(&signature);
            self.claim(signature, slot);
            return Listing::Moved { seen_slot };
        }
        if self.claim(signature, slot) {
            Listing::New
        } else {
            Listing::Known
        }
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

    /// Listed transactions that were given back: nobody reads them, and the watermark waits before them.
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
            self.remembered.insert(signature, slot);
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
        let before = self.listed.slot;
        if slot <= before {
            return;
        }
        self.listed = Mark {
            slot,
            signature: self.newest.map(|(_, signature)| signature),
        };
        let mut settled = Vec::new();
        for (&signature, tracked) in &self.tracked {
            if tracked.position.is_some() || tracked.slot > slot {
                continue;
            }
            if tracked.slot > before {
                let slot = tracked.slot;
                self.vanished.push(Vanished { signature, slot });
            }
            if tracked.is_settled() {
                settled.push(signature);
            }
        }
        for signature in settled {
            self.forget_unlisted(signature);
        }
    }

    /// The transactions that were taken in and are not in the slot in which they were seen, since the last time.
    pub(crate) fn take_vanished(&mut self) -> Vec<Vanished> {
        std::mem::take(&mut self.vanished)
    }

    fn forget_unlisted(&mut self, signature: Signature) {
        if let Some(tracked) = self.tracked.remove(&signature) {
            self.unlisted -= 1;
            self.remembered.insert(signature, tracked.slot);
        }
    }

    /// The end of the contiguous settled prefix.
    pub(crate) fn mark(&self) -> Mark {
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

/// The last few thousand signatures, each with its slot.
#[derive(Debug)]
struct Remembered {
    order: VecDeque<Signature>,
    known: HashMap<Signature, u64>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self {
            order: VecDeque::with_capacity(REMEMBERED_MAX + 1),
            known: bounded::map(REMEMBERED_MAX + 1),
        }
    }
}

impl Remembered {
    fn contains(&self, signature: &Signature) -> bool {
        self.known.contains_key(signature)
    }

    fn slot(&self, signature: &Signature) -> Option<u64> {
        self.known.get(signature).copied()
    }

    fn forget(&mut self, signature: &Signature) {
        self.known.remove(signature);
        self.order.retain(|known| known != signature);
    }

    fn insert(&mut self, signature: Signature, slot: u64) {
        if self.known.insert(signature, slot).is_some() {
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
