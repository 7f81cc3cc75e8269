//! Which transactions are under way, and how far everything is settled.
//!
//! The chain's own listing alone moves the cursor, because only a listing can say that nothing is missing before it.
//! Notifications are a fast path: their transactions are tracked here, so that the listing finds them done.
//!
//! The cursor is slot-granular: it stops before the slot of the first transaction that is listed and unsettled, so
//! that neither the order inside a slot nor the order of settling can move it past anything.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use solana_sdk::signature::Signature;

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
    /// Messages that the queue has not settled, and 1 while the transaction itself is being read.
    unsettled: usize,
    /// Key in `open`, once listed.
    position: Option<u64>,
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

    /// Takes a transaction on. False if it is or was taken on already; otherwise it is unsettled until its
    /// [`settle`](Self::settle).
    pub(crate) fn claim(&mut self, signature: Signature, slot: u64) -> bool {
        if self.tracked.contains_key(&signature) || self.remembered.contains(&signature) {
            return false;
        }
        let tracked = Tracked {
            slot,
            unsettled: 1,
            position: None,
        };
        self.tracked.insert(signature, tracked);
        self.unlisted += 1;
        true
    }

    /// Gives a transaction back that was claimed and never listed, as if it had not been seen.
    pub(crate) fn release(&mut self, signature: &Signature) {
        if self
            .tracked
            .get(signature)
            .is_some_and(|tracked| tracked.position.is_none())
        {
            self.tracked.remove(signature);
            self.unlisted -= 1;
        }
    }

    /// One more message of the transaction is under way.
    pub(crate) fn add_message(&mut self, signature: &Signature) {
        if let Some(tracked) = self.tracked.get_mut(signature) {
            tracked.unsettled += 1;
        }
    }

    /// One message of the transaction is settled, or the reading of the transaction itself.
    pub(crate) fn settle(&mut self, signature: &Signature) {
        let Some(tracked) = self.tracked.get_mut(signature) else {
            return;
        };
        tracked.unsettled = tracked.unsettled.saturating_sub(1);
        if tracked.unsettled > 0 {
            return;
        }
        if let Some(position) = tracked.position {
            self.open.remove(&position);
            self.tracked.remove(signature);
        } else if tracked.slot <= self.listed.slot {
            // The listing has passed its slot without it: nobody will ask for it again.
            self.forget_unlisted(*signature);
        }
    }

    /// The listing shows this transaction next. Slots must not fall from one call to the next.
    pub(crate) fn list(&mut self, signature: Signature, slot: u64) {
        if slot > self.listed.slot + 1 {
            // All slots before this one are complete.
            self.complete_up_to(slot - 1);
        }
        if !self.remembered.contains(&signature) {
            self.open_position(signature, slot);
            self.remembered.insert(signature);
        }
        if self.newest.is_none_or(|(newest, _)| slot >= newest) {
            self.newest = Some((slot, signature));
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
        if tracked.unsettled == 0 {
            self.tracked.remove(&signature);
            return;
        }
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
            .filter(|(_, tracked)| tracked.position.is_none() && tracked.unsettled == 0 && tracked.slot <= slot)
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
