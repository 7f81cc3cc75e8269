//! What a listener says about itself, for health checks and displays.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tokio::sync::watch;

/// A listener at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenerStatus {
    /// Whether notifications are coming in.
    pub connected: bool,
    /// Subscriptions since the start.
    pub connections: u64,
    /// The newest slot that was heard of.
    pub last_slot: Option<u64>,
    /// The last slot of which everything is settled.
    pub cursor_slot: Option<u64>,
    /// Whether reading waits because too many events are unsettled.
    pub backpressure: bool,
    /// Why the listing of transactions does not get ahead, while it doesn't.
    pub stalled: Option<String>,
    /// What could not be read or sent, and is tried again apart from the listing.
    pub quarantine: QuarantineSummary,
    /// Why the quarantine could not be looked at the last time, if it couldn't.
    pub quarantine_error: Option<String>,
    /// Why the cursor could not be saved the last time, if it couldn't.
    pub cursor_error: Option<String>,
}

/// How much is in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuarantineSummary {
    /// How many items.
    pub items: usize,
    /// The same by reason, where there are any.
    pub by_reason: BTreeMap<&'static str, usize>,
    /// Since when the oldest is there.
    pub oldest_since: Option<OffsetDateTime>,
    /// The oldest: reason, name and detail.
    pub oldest: Option<String>,
}

impl ListenerStatus {
    /// Slots between the cursor and the newest slot, once both are known.
    #[must_use]
    pub fn lag_slots(&self) -> Option<u64> {
        Some(self.last_slot?.saturating_sub(self.cursor_slot?))
    }
}

/// Tells a status, to whoever watches.
#[derive(Debug)]
pub(crate) struct StatusBoard(watch::Sender<ListenerStatus>);

impl Default for StatusBoard {
    fn default() -> Self {
        Self(watch::Sender::new(ListenerStatus::default()))
    }
}

impl StatusBoard {
    pub(crate) fn watch(&self) -> watch::Receiver<ListenerStatus> {
        self.0.subscribe()
    }

    pub(crate) fn connected(&self, connected: bool) {
        self.0.send_if_modified(|status| {
            let modified = status.connected != connected;
            status.connections += u64::from(modified && connected);
            status.connected = connected;
            modified
        });
    }

    pub(crate) fn saw_slot(&self, slot: u64) {
        let newest = self.0.borrow().last_slot.map_or(slot, |last| last.max(slot));
        self.change(|status| &mut status.last_slot, Some(newest));
    }

    pub(crate) fn cursor(&self, slot: u64) {
        self.change(|status| &mut status.cursor_slot, Some(slot));
    }

    pub(crate) fn backpressure(&self, backpressure: bool) {
        self.change(|status| &mut status.backpressure, backpressure);
    }

    pub(crate) fn stalled(&self, reason: Option<String>) {
        self.change(|status| &mut status.stalled, reason);
    }

    pub(crate) fn quarantine(&self, summary: QuarantineSummary) {
        self.change(|status| &mut status.quarantine, summary);
    }

    pub(crate) fn quarantine_error(&self, reason: Option<String>) {
        self.change(|status| &mut status.quarantine_error, reason);
    }

    pub(crate) fn cursor_error(&self, reason: Option<String>) {
        self.change(|status| &mut status.cursor_error, reason);
    }

    fn change<T: PartialEq>(&self, field: fn(&mut ListenerStatus) -> &mut T, value: T) {
        self.0.send_if_modified(|status| {
            let field = field(status);
            let modified = *field != value;
            *field = value;
            modified
        });
    }
}
