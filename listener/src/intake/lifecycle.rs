//! What the eight lifecycle events tell: counts, gauges, deadlines and a log line each. They create nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::{counter, gauge, histogram};
use session_events::{Event, EventKind, SessionQueuedEvent};
use session_telemetry::names;
use solana_pubkey::Pubkey;
use time::OffsetDateTime;

use crate::decode::observed::{EventBody, ObservedEvent};

/// Sessions and reservations that are remembered, so that nobody can fill the memory with them.
const REMEMBERED_MAX: usize = 10_000;

/// How soon an event must be recorded after it is visible (`docs/contract.md`, "Deadlines").
fn deadline(kind: EventKind) -> Option<Duration> {
    match kind {
        EventKind::SessionQueued => Some(Duration::from_secs(1)),
        EventKind::SessionReserved => Some(Duration::from_secs(2)),
        EventKind::QueueProcessed => Some(Duration::from_millis(500)),
        // Its deadline ends with the verified account, which is the handler's to measure.
        EventKind::PdaComputed
        | EventKind::SessionCreated
        | EventKind::SessionActivated
        | EventKind::SessionInitializedFromQueue
        | EventKind::ManualSessionInitialized
        | EventKind::EmergencySessionReset => None,
    }
}

/// Records events.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle(Mutex<Waiting>);

/// Who waits for what, as far as events have told.
#[derive(Debug, Default)]
struct Waiting {
    /// Deadline of each queued session, unix seconds.
    queued: HashMap<Pubkey, i64>,
    /// Expiry of each reserved session, unix seconds, by owner and session id.
    reserved: HashMap<(Pubkey, String), i64>,
}

impl Lifecycle {
    /// Counts the event, and records what it tells unless it is a request for an account.
    pub(crate) fn record(&self, observed: &ObservedEvent) {
        counter!(names::EVENTS_TOTAL, "event" => observed.name().to_owned()).increment(1);
        let EventBody::Known(event) = &observed.body else {
            tracing::info!(event = observed.name(), slot = observed.slot, signature = ?observed.signature, "event");
            return;
        };
        if matches!(event, Event::PdaComputed(_)) {
            return;
        }
        self.follow(event, session_clock::now_utc().unix_timestamp());
        tracing::info!(event = observed.name(), slot = observed.slot, signature = ?observed.signature, fields = ?event, "event");
        measure(event.kind(), observed.observed_at);
    }

    fn follow(&self, event: &Event, now: i64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::SessionQueued(queued) => {
                number(names::SESSION_QUEUE_POSITION, queued.queue_position());
                match queued {
                    SessionQueuedEvent::Request(request) => number(names::SESSION_QUEUE_DEPTH, request.queue_size),
                    SessionQueuedEvent::Session(session) => {
                        remember(&mut waiting.queued, session.session_pda, session.deadline);
                    }
                }
            }
            Event::SessionReserved(reserved) => {
                let session = (reserved.session_owner, reserved.session_id.clone());
                remember(&mut waiting.reserved, session, reserved.expires_at);
            }
            Event::SessionCreated(created) => {
                waiting.reserved.remove(&(created.owner, created.session_id.clone()));
            }
            Event::SessionInitializedFromQueue(initialized) => {
                waiting.queued.remove(&initialized.session_pda);
            }
            Event::ManualSessionInitialized(initialized) => {
                waiting.queued.remove(&initialized.session_pda);
            }
            Event::QueueProcessed(processed) => {
                number(names::SESSION_QUEUE_DEPTH, processed.queue_size_after);
                number(names::SESSION_QUEUE_PROCESSED, processed.total_processed);
                number(names::SESSION_QUEUE_FAILED, processed.total_failed);
            }
            Event::PdaComputed(_) | Event::SessionActivated(_) | Event::EmergencySessionReset(_) => {}
        }
        waiting.show(now);
    }
}

impl Waiting {
    fn show(&self, now: i64) {
        let expired = self.reserved.values().filter(|&&expiry| expiry <= now).count();
        number(names::SESSION_RESERVATIONS_EXPIRED, expired as u64);
        number(names::SESSION_RESERVATIONS_OPEN, (self.reserved.len() - expired) as u64);
        let soonest = self.queued.values().min().copied().unwrap_or_default();
        number(
            names::SESSION_QUEUE_SOONEST_DEADLINE_SECONDS,
            u64::try_from(soonest).unwrap_or_default(),
        );
    }
}

/// Remembers one more, in place of the one whose time is up first if there are too many.
fn remember<K: Clone + Eq + std::hash::Hash>(known: &mut HashMap<K, i64>, key: K, time: i64) {
    if known.len() >= REMEMBERED_MAX
        && let Some(first) = known.iter().min_by_key(|(_, time)| **time).map(|(key, _)| key.clone())
    {
        known.remove(&first);
    }
    known.insert(key, time);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating point, and no queue has 2^53 places"
)]
fn number(name: &'static str, value: u64) {
    gauge!(name).set(value as f64);
}

fn measure(kind: EventKind, visible_since: OffsetDateTime) {
    // A clock that was set back makes a negative duration, which is none.
    let elapsed = Duration::try_from(session_clock::now_utc() - visible_since).unwrap_or_default();
    histogram!(names::EVENT_PROCESSING_DURATION, "event" => kind.name()).record(elapsed.as_secs_f64());
    if deadline(kind).is_some_and(|deadline| elapsed > deadline) {
        counter!(names::DEADLINE_MISSED_TOTAL, "event" => kind.name()).increment(1);
        tracing::warn!(
            event = kind.name(),
            elapsed_ms = elapsed.as_millis(),
            "recorded after its deadline"
        );
    }
}
