//! What outlives a listener.

use crate::{checkpoint::watermarks::Watermarks, quarantine::place::Quarantine, reconcile::served::Served};

/// The places of what must last. They last equally long: the watermark passes what is in quarantine.
#[derive(Debug, Clone)]
pub struct Lasting {
    /// How far everything is settled.
    pub watermarks: Watermarks,
    /// What could not be read or sent.
    pub quarantine: Quarantine,
    /// What a comparison with account state has found served; it costs no more than calls where it is lost.
    pub served: Served,
}

impl Lasting {
    /// In this process, for chains that do not outlive it either.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            watermarks: Watermarks::in_memory(),
            quarantine: Quarantine::in_memory(),
            served: Served::in_memory(),
        }
    }
}
