//! What outlives a listener.

use crate::{checkpoint::cursor::CursorStore, quarantine::place::Quarantine};

/// The places of what must last. They last equally long: the cursor passes what is in quarantine.
#[derive(Debug, Clone)]
pub struct Lasting {
    /// How far everything is settled.
    pub cursors: CursorStore,
    /// What could not be read or sent.
    pub quarantine: Quarantine,
}

impl Lasting {
    /// In this process, for chains that do not outlive it either.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            cursors: CursorStore::in_memory(),
            quarantine: Quarantine::in_memory(),
        }
    }
}
