//! The quarantine as services and operators have it: look, try again now, release.

use std::{
    path::Path as FilePath,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use object_store::{ObjectStore, path::Path};
use tokio::sync::Notify;

use crate::quarantine::{
    item::{QuarantineItem, QuarantineReason},
    objects::Objects,
    store::{QuarantineError, QuarantineStore},
};

/// More than these are no exceptions any more, and nobody would look through them.
const ITEMS_MAX: usize = 10_000;

/// Items of postponed transactions, each of which may hold a thousand: some megabytes in all. An attack that goes on for longer
/// than it takes to fetch those is left to account state.
const POSTPONED_MAX: usize = 64;

/// What could not be read or sent, in the place where it is kept. Clones share it.
#[derive(Clone)]
pub struct Quarantine {
    store: Arc<dyn QuarantineStore>,
    /// Somebody has changed something: whoever tries again looks now.
    changed: Arc<Notify>,
    /// Items as last counted.
    items: Arc<AtomicUsize>,
    items_max: usize,
}

impl Quarantine {
    /// In this place.
    #[must_use]
    pub fn new(store: Arc<dyn QuarantineStore>) -> Self {
        Self {
            store,
            changed: Arc::default(),
            items: Arc::default(),
            items_max: ITEMS_MAX,
        }
    }

    /// In this process: for chains, and watermarks, that do not outlive it either.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(Arc::new(Objects::in_memory()))
    }

    /// In a folder, which is made if it isn't there: one file an item.
    ///
    /// # Errors
    /// [`QuarantineError::Place`] if the folder cannot be made.
    pub fn folder(folder: &FilePath) -> Result<Self, QuarantineError> {
        Ok(Self::new(Arc::new(Objects::folder(folder)?)))
    }

    /// In this object store, under `prefix`: one object an item.
    #[must_use]
    pub fn object_store(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self::new(Arc::new(Objects::new(store, Path::from(prefix))))
    }

    /// All items, the longest there first.
    ///
    /// # Errors
    /// [`QuarantineError::Place`].
    pub async fn list(&self) -> Result<Vec<QuarantineItem>, QuarantineError> {
        let mut items = self.store.all().await?;
        self.items.store(items.len(), Ordering::Relaxed);
        items.sort_by(|one, other| (one.first_seen, &one.id).cmp(&(other.first_seen, &other.id)));
        Ok(items)
    }

    /// Has the items with these ids tried again now, all of them where none is named. Answers which those are.
    ///
    /// # Errors
    /// [`QuarantineError`]; those before are tried again.
    pub async fn retry(&self, ids: &[String]) -> Result<Vec<QuarantineItem>, QuarantineError> {
        let mut meant = self.named(ids).await?;
        for item in &mut meant {
            item.next_try = session_clock::now_utc();
            self.store.put(item).await?;
        }
        self.changed.notify_one();
        Ok(meant)
    }

    /// Takes the items with these ids out for good: somebody has dealt with them. Answers which those are.
    ///
    /// # Errors
    /// [`QuarantineError`]; those before are out.
    pub async fn release(&self, ids: &[String]) -> Result<Vec<QuarantineItem>, QuarantineError> {
        let mut released = Vec::new();
        for item in self.named(ids).await? {
            if self.store.remove(&item.key()).await? {
                tracing::warn!(id = item.id, reason = %item.reason, "released from quarantine by an operator");
                released.push(item);
            }
        }
        self.changed.notify_one();
        Ok(released)
    }

    async fn named(&self, ids: &[String]) -> Result<Vec<QuarantineItem>, QuarantineError> {
        let mut items = self.list().await?;
        items.retain(|item| ids.is_empty() || ids.contains(&item.id));
        Ok(items)
    }

    /// Takes an item in, or counts another try in vain at what is there under its name.
    pub(crate) async fn admit(&self, item: QuarantineItem) -> Result<Admitted, QuarantineError> {
        let known = self.store.get(&item.key()).await?;
        if known.is_none() && !self.has_room(item.reason).await? {
            if item.reason.may_find_no_room() {
                return Ok(Admitted::NoRoom);
            }
            let items = self.items.load(Ordering::Relaxed);
            return Err(QuarantineError::Full { items });
        }
        let item = if let Some(known) = known {
            known.tried_again(item.into_finding(), session_clock::now_utc())
        } else {
            self.items.fetch_add(1, Ordering::Relaxed);
            item
        };
        self.store.put(&item).await?;
        self.changed.notify_one();
        Ok(Admitted::Kept)
    }

    async fn has_room(&self, reason: QuarantineReason) -> Result<bool, QuarantineError> {
        let postponed = |item: &&QuarantineItem| item.reason == QuarantineReason::Postponed;
        if reason == QuarantineReason::Postponed {
            let items = self.list().await?;
            return Ok(items.len() < self.items_max && items.iter().filter(postponed).count() < POSTPONED_MAX);
        }
        // What was counted last may be gone since.
        Ok(self.items.load(Ordering::Relaxed) < self.items_max || self.list().await?.len() < self.items_max)
    }

    /// Keeps what another try in vain has shown, unless somebody has released the item meanwhile.
    pub(crate) async fn keep(&self, item: &QuarantineItem) -> Result<(), QuarantineError> {
        if self.store.get(&item.key()).await?.is_some() {
            self.store.put(item).await?;
        }
        Ok(())
    }

    /// What was in quarantine went its normal way.
    pub(crate) async fn resolved(&self, item: &QuarantineItem) -> Result<(), QuarantineError> {
        self.store.remove(&item.key()).await.map(drop)
    }

    /// Returns when somebody has changed something since it returned last.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    #[cfg(test)]
    pub(crate) fn with_items_max(self, items_max: usize) -> Self {
        Self { items_max, ..self }
    }
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It outlives the process.
    Kept,
    /// There is no room, and the service goes on without it.
    NoRoom,
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Quarantine").finish_non_exhaustive()
    }
}
