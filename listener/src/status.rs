//! What a listener says about itself, for health checks and displays.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::gauge;
use session_admin::Pulse;
use session_telemetry::names;
use time::OffsetDateTime;
use tokio::{sync::watch, time::Instant};

/// A listener at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenerStatus {
    /// Who listens instead, while this listener stands by.
    pub standby: Option<String>,
    /// Whether notifications are coming in.
    pub connected: bool,
    /// Subscriptions since the start.
    pub connections: u64,
    /// The newest slot that was heard of.
    pub last_slot: Option<u64>,
    /// The last slot of which everything is settled.
    pub watermark_slot: Option<u64>,
    /// Whether reading waits because too many events are unsettled.
    pub backpressure: bool,
    /// Why the listing of transactions does not get ahead, while it doesn't: each cause that has not gone.
    pub stalled: Option<String>,
    /// What could not be read or sent, and is tried again apart from the listing.
    pub quarantine: QuarantineSummary,
    /// Why the quarantine could not be looked at the last time, if it couldn't.
    pub quarantine_error: Option<String>,
    /// Why the watermark could not be saved the last time, if it couldn't.
    pub watermark_error: Option<String>,
    /// Up to where everything is known to be delivered.
    pub completeness: Option<Completeness>,
    /// Since when no statement of completeness has gone further; `None` before the start.
    pub complete_since: Option<Instant>,
    /// Since when messages wait and the queue has acknowledged none; `None` while none wait.
    pub unacknowledged_since: Option<Instant>,
    /// From when on these ages are trouble.
    pub age_limits: AgeLimits,
}

/// A source's last statement that went further than those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completeness {
    /// Everything up to this slot was delivered.
    pub slot: u64,
    /// How that is known: `finality`, `agreement` or `beginning`.
    pub because: &'static str,
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

/// How old the last sign of progress may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeLimits {
    /// Of the last statement of completeness that went further.
    pub completeness: Duration,
    /// Of the last send that the queue has acknowledged, while messages wait.
    pub acknowledgement: Duration,
}

impl Default for AgeLimits {
    fn default() -> Self {
        Self {
            completeness: Duration::from_mins(2),
            acknowledgement: Duration::from_mins(1),
        }
    }
}

impl ListenerStatus {
    /// Slots between the watermark and the newest slot, once both are known.
    #[must_use]
    pub fn lag_slots(&self) -> Option<u64> {
        Some(self.last_slot?.saturating_sub(self.watermark_slot?))
    }

    /// Whether nothing states for too long that the listing is complete any further.
    pub(crate) fn is_incomplete(&self) -> bool {
        let limit = self.age_limits.completeness;
        self.complete_since.is_some_and(|since| since.elapsed() > limit)
    }

    /// Whether messages wait for too long without any acknowledgement.
    pub(crate) fn is_unacknowledged(&self) -> bool {
        let limit = self.age_limits.acknowledgement;
        self.unacknowledged_since.is_some_and(|since| since.elapsed() > limit)
    }
}

/// Tells a status, to whoever watches.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    status: watch::Sender<ListenerStatus>,
    stalls: Mutex<Stalls>,
}

/// Why somebody does not get ahead, by number: each has a reason of its own, and takes it back himself.
#[derive(Debug, Default)]
struct Stalls {
    reasons: BTreeMap<u64, String>,
    next: u64,
}

/// Number of somebody who does not get ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StallNumber(u64);

impl Default for StatusBoard {
    fn default() -> Self {
        Self::new(AgeLimits::default())
    }
}

impl StatusBoard {
    pub(crate) fn new(age_limits: AgeLimits) -> Self {
        Self {
            status: watch::Sender::new(ListenerStatus {
                age_limits,
                ..ListenerStatus::default()
            }),
            stalls: Mutex::default(),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<ListenerStatus> {
        self.status.subscribe()
    }

    /// From now on the listener is expected to get ahead.
    pub(crate) fn started(&self) {
        self.change(|status| &mut status.complete_since, Some(Instant::now()));
    }

    pub(crate) fn standby(&self, holder: Option<String>) {
        self.change(|status| &mut status.standby, holder);
    }

    pub(crate) fn connected(&self, connected: bool) {
        self.status.send_if_modified(|status| {
            let modified = status.connected != connected;
            status.connections += u64::from(modified && connected);
            status.connected = connected;
            modified
        });
    }

    pub(crate) fn saw_slot(&self, slot: u64) {
        let newest = self.status.borrow().last_slot.map_or(slot, |last| last.max(slot));
        self.change(|status| &mut status.last_slot, Some(newest));
    }

    pub(crate) fn watermark(&self, slot: u64) {
        self.change(|status| &mut status.watermark_slot, Some(slot));
    }

    pub(crate) fn complete_up_to(&self, slot: u64, because: &'static str) {
        if self
            .status
            .borrow()
            .completeness
            .is_some_and(|known| known.slot >= slot)
        {
            return;
        }
        gauge!(names::LISTENER_LAST_STATEMENT_SECONDS).set(unix_seconds());
        self.status.send_modify(|status| {
            status.completeness = Some(Completeness { slot, because });
            status.complete_since = Some(Instant::now());
        });
    }

    /// The queue has acknowledged messages, or those that are given to it are the first; `waiting` says whether others wait.
    pub(crate) fn acknowledged(&self, waiting: bool) {
        gauge!(names::LISTENER_LAST_ACKNOWLEDGEMENT_SECONDS).set(unix_seconds());
        self.change(|status| &mut status.unacknowledged_since, waiting.then(Instant::now));
    }

    /// Messages wait for the queue.
    pub(crate) fn sending(&self) {
        let since = self.status.borrow().unacknowledged_since;
        self.change(
            |status| &mut status.unacknowledged_since,
            Some(since.unwrap_or_else(Instant::now)),
        );
    }

    pub(crate) fn backpressure(&self, backpressure: bool) {
        self.change(|status| &mut status.backpressure, backpressure);
    }

    /// Somebody does not get ahead: the number is his from then on, and he tells by it when the reason has changed or gone.
    pub(crate) fn stalled(&self, number: Option<StallNumber>, reason: String) -> StallNumber {
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let number = number.unwrap_or_else(|| {
            stalls.next += 1;
            StallNumber(stalls.next)
        });
        stalls.reasons.insert(number.0, reason);
        self.show(&stalls);
        number
    }

    pub(crate) fn goes_on(&self, number: StallNumber) {
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.reasons.remove(&number.0);
        self.show(&stalls);
    }

    fn show(&self, stalls: &Stalls) {
        gauge!(names::LISTENER_STALLED).set(if stalls.reasons.is_empty() { 0.0 } else { 1.0 });
        let reason = stalls
            .reasons
            .first_key_value()
            .map(|(_, first)| match stalls.reasons.len() {
                1 => first.clone(),
                several => format!("{first} (and {} more)", several - 1),
            });
        self.change(|status| &mut status.stalled, reason);
    }

    pub(crate) fn quarantine(&self, summary: QuarantineSummary) {
        self.change(|status| &mut status.quarantine, summary);
    }

    pub(crate) fn quarantine_error(&self, reason: Option<String>) {
        self.change(|status| &mut status.quarantine_error, reason);
    }

    pub(crate) fn watermark_error(&self, reason: Option<String>) {
        self.change(|status| &mut status.watermark_error, reason);
    }

    fn change<T: PartialEq>(&self, field: fn(&mut ListenerStatus) -> &mut T, value: T) {
        self.status.send_if_modified(|status| {
            let field = field(status);
            let modified = *field != value;
            *field = value;
            modified
        });
    }
}

/// What a task shows of itself: what it has to say, and that it makes progress where anybody looks.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) status: Arc<StatusBoard>,
    pub(crate) pulse: Option<Pulse>,
}

impl Watched {
    /// A step is done.
    pub(crate) fn beat(&self) {
        if let Some(pulse) = &self.pulse {
            pulse.beat();
        }
    }

    /// Waits for others, which may take as long as they like.
    pub(crate) async fn rest<T>(&self, wait: impl Future<Output = T>) -> T {
        match &self.pulse {
            Some(pulse) => pulse.rest(wait).await,
            None => wait.await,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating point, and seconds stay below 2^53"
)]
fn unix_seconds() -> f64 {
    session_clock::now_utc().unix_timestamp() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_that_goes_does_not_hide_another() {
        let board = StatusBoard::default();
        let one = board.stalled(None, "one".to_owned());
        let other = board.stalled(None, "other".to_owned());
        assert_ne!(one, other);
        assert_eq!(board.stalled(Some(one), "one, again".to_owned()), one);
        assert_eq!(
            board.watch().borrow().stalled.as_deref(),
            Some("one, again (and 1 more)")
        );
        board.goes_on(one);
        assert_eq!(board.watch().borrow().stalled.as_deref(), Some("other"));
        board.goes_on(other);
        assert_eq!(board.watch().borrow().stalled, None);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_trouble_once_it_is_too_long() {
        let board = StatusBoard::default();
        board.connected(true);
        board.started();
        board.sending();
        let silent = || {
            let status = board.watch().borrow().clone();
            (status.is_unacknowledged(), status.is_incomplete())
        };
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(silent(), (false, false));
        board.sending();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(silent(), (true, false));
        board.acknowledged(true);
        assert_eq!(silent(), (false, false));
        board.complete_up_to(5, "finality");
        tokio::time::advance(Duration::from_secs(121)).await;
        assert_eq!(silent(), (true, true));
        board.acknowledged(false);
        board.complete_up_to(5, "finality");
        assert_eq!(silent(), (false, true), "the same slot is no progress");
        board.complete_up_to(6, "finality");
        assert_eq!(silent(), (false, false));
    }
}
