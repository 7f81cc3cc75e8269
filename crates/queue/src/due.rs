//! When to look for deferred messages: not at every receive, and never too late.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// When the next deferred message comes due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether the store was asked since the queue began.
    asked: bool,
    next: Option<SystemTime>,
    /// Messages that were deferred so far: an answer from before the last one may not know it.
    deferred: u64,
}

/// A look at the store, by how many messages were deferred before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look(u64);

impl Due {
    /// Says whether it is time to look.
    pub(crate) fn begin_look(&self, now: SystemTime) -> Option<Look> {
        let known = self.known();
        let due = !known.asked || known.next.is_some_and(|next| next <= now);
        due.then_some(Look(known.deferred))
    }

    /// The store was asked: nothing more comes due before `next`.
    pub(crate) fn end_look(&self, look: Look, next: Option<SystemTime>) {
        let mut known = self.known();
        if known.deferred == look.0 {
            known.asked = true;
            known.next = next;
        }
    }

    /// A message was deferred.
    pub(crate) fn came(&self, due_at: SystemTime) {
        let mut known = self.known();
        known.deferred += 1;
        known.next = Some(known.next.map_or(due_at, |next| next.min(due_at)));
    }

    pub(crate) fn next(&self) -> Option<SystemTime> {
        self.known().next
    }

    /// Three plain values: a poisoned lock is as good as any.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
