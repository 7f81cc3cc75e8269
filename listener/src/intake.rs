//! The one way that every transaction takes, however it was found: to metrics, custom handlers and the outbox.

use std::sync::Arc;

use metrics::{counter, gauge};
use session_events::{Event, PdaComputedEvent};
use session_telemetry::names;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    handlers::Dispatcher,
    ledger::Ledger,
    lifecycle::Lifecycle,
    observed::{EventBody, ObservedEvent},
    outgoing::{self, Outgoing, Receipt},
    patience::Patience,
    reading::{Found, Reader},
    slot_clock::SlotClock,
    status::StatusBoard,
};

/// Takes the events of transactions in.
pub(crate) struct Intake {
    pub(crate) program_id: Pubkey,
    pub(crate) reader: Reader,
    pub(crate) clock: Arc<SlotClock>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) dispatcher: Dispatcher,
    /// Has room for every event that may be unsettled.
    pub(crate) outbox: mpsc::Sender<Outgoing>,
    /// One for each event that may be unsettled.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) status: Arc<StatusBoard>,
}

/// Room for the events of one transaction.
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Intake {
    /// Room for these events if there is any now.
    pub(crate) fn try_room(&self, events: &[Found]) -> Option<Room> {
        let needed = needed_room(events);
        let room = if needed == 0 {
            None
        } else {
            Some(Arc::clone(&self.room).try_acquire_many_owned(needed).ok()?)
        };
        Some(Room(room))
    }

    /// Waits for room; `None` if told to stop before there was any.
    pub(crate) async fn wait_for_room(&self, events: &[Found], patience: &Patience) -> Option<Room> {
        if let Some(room) = self.try_room(events) {
            return Some(room);
        }
        self.set_backpressure(true);
        let permit = patience
            .wait(Arc::clone(&self.room).acquire_many_owned(needed_room(events)))
            .await;
        self.set_backpressure(false);
        // The semaphore is never closed.
        permit?.ok().map(|permit| Room(Some(permit)))
    }

    /// Takes the events of a claimed transaction in. Afterwards the transaction is settled but for its messages.
    pub(crate) async fn take(&self, signature: Signature, slot: u64, events: Vec<Found>, mut room: Room) {
        for Found { index, body, origin } in events {
            let observed_at = self.clock.first_sight(slot);
            let event = ObservedEvent {
                body,
                signature: Some(signature),
                slot,
                index,
                observed_at,
                origin,
            };
            self.take_event(event, &mut room).await;
        }
        self.ledger.with(|frontier| frontier.settle(&signature));
    }

    /// Takes one event in: a request for an account goes to the outbox.
    pub(crate) async fn take_event(&self, observed: ObservedEvent, room: &mut Room) {
        self.lifecycle.record(&observed);
        let observed = Arc::new(observed);
        self.dispatcher.dispatch(&observed);
        match &observed.body {
            EventBody::Known(Event::PdaComputed(event)) if event.asks_for_account() => {
                self.publish(event.clone(), &observed, room).await;
            }
            EventBody::Known(Event::PdaComputed(_)) => counter!(names::EVENTS_SKIPPED_TOTAL).increment(1),
            EventBody::Known(_) | EventBody::Declared { .. } => {}
        }
    }

    async fn publish(&self, event: PdaComputedEvent, observed: &ObservedEvent, room: &mut Room) {
        let Some(permit) = room.0.as_mut().and_then(|permit| permit.split(1)) else {
            // Room is made for exactly the events that are published; an event without room would be lost.
            tracing::error!(?event, "no room was made for an event");
            return;
        };
        let entry = match outgoing::entry(self.program_id, event, observed) {
            Ok(entry) => entry,
            Err(error) => {
                counter!(names::LISTENER_UNSENDABLE_TOTAL).increment(1);
                tracing::error!(%error, ?observed, "an event cannot be written as a message");
                return;
            }
        };
        if let Some(signature) = &observed.signature {
            self.ledger.with(|frontier| frontier.add_message(signature));
        }
        let receipt = Receipt {
            transaction: observed.signature,
            origin: observed.origin,
            _permit: permit,
        };
        // The publisher ends after the intake, except in an abort: then the cursor stays behind this transaction.
        let _ = self.outbox.send(Outgoing { entry, receipt }).await;
    }

    pub(crate) fn set_backpressure(&self, backpressure: bool) {
        gauge!(names::LISTENER_BACKPRESSURE).set(if backpressure { 1.0 } else { 0.0 });
        self.status.backpressure(backpressure);
    }
}

/// Messages that these events make.
fn needed_room(events: &[Found]) -> u32 {
    let asks =
        |found: &&Found| matches!(&found.body, EventBody::Known(Event::PdaComputed(event)) if event.asks_for_account());
    // A transaction's logs hold a few dozen events at most.
    u32::try_from(events.iter().filter(asks).count()).unwrap_or(u32::MAX)
}
