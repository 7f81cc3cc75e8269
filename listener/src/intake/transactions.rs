//! The one way that every transaction takes, however it was found: to metrics, custom handlers and the outbox.

use std::sync::Arc;

use metrics::{counter, gauge};
use session_events::{Event, PdaComputedEvent};
use session_message::Origin;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    checkpoint::claim::Claim,
    checkpoint::shared::SharedWatermark,
    decode::observed::{EventBody, ObservedEvent},
    decode::reading::{Found, Reader},
    intake::handlers::Dispatcher,
    intake::lifecycle::Lifecycle,
    intake::queued_lately::QueuedLately,
    intake::slot_clock::SlotClock,
    patience::Patience,
    publish::outgoing::{self, Outgoing, Receipt},
    publish::outlet::Outlet,
    status::StatusBoard,
};

/// Takes the events of transactions in.
pub(crate) struct Intake {
    pub(crate) program_id: Pubkey,
    pub(crate) reader: Reader,
    pub(crate) clock: Arc<SlotClock>,
    pub(crate) watermark: Arc<SharedWatermark>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) outlet: Outlet,
    pub(crate) queued_lately: QueuedLately,
    pub(crate) status: Arc<StatusBoard>,
}

/// Room for messages.
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Intake {
    /// Room for so many messages if there is any now.
    pub(crate) fn try_room(&self, messages: u32) -> Option<Room> {
        if messages == 0 {
            return Some(Room(None));
        }
        Arc::clone(&self.outlet.room)
            .try_acquire_many_owned(messages)
            .ok()
            .map(|permit| Room(Some(permit)))
    }

    /// Waits for room; `None` if told to stop before there was any.
    pub(crate) async fn wait_for_room(&self, messages: u32, patience: &Patience) -> Option<Room> {
        if let Some(room) = self.try_room(messages) {
            return Some(room);
        }
        self.set_backpressure(true);
        let permit = patience
            .wait(Arc::clone(&self.outlet.room).acquire_many_owned(messages))
            .await;
        self.set_backpressure(false);
        // The semaphore is never closed.
        permit?.ok().map(|permit| Room(Some(permit)))
    }

    /// Takes events of a claimed transaction in.
    pub(crate) async fn take(&self, claim: &Claim, slot: u64, events: Vec<Found>, mut room: Room) {
        for Found { index, body, origin } in events {
            let observed_at = self.clock.first_sight(slot);
            let event = ObservedEvent {
                body,
                signature: Some(claim.signature()),
                slot,
                index,
                observed_at,
                origin,
            };
            self.take_event(event, Some(claim), &mut room).await;
        }
    }

    /// Takes one event in: a request for an account goes to the outbox. `transaction` is not settled before its message.
    pub(crate) async fn take_event(&self, observed: ObservedEvent, transaction: Option<&Claim>, room: &mut Room) {
        let observed = Arc::new(observed);
        // What somebody looks for in the past has been told, and says nothing about the present.
        if !matches!(observed.origin, Origin::Backfill | Origin::Reconciliation) {
            self.lifecycle.record(&observed);
            self.dispatcher.dispatch(&observed);
        }
        match &observed.body {
            EventBody::Known(Event::PdaComputed(event)) if event.asks_for_account() => {
                self.publish(event, &observed, transaction, room).await;
            }
            EventBody::Known(Event::PdaComputed(_)) => counter!(names::EVENTS_SKIPPED_TOTAL).increment(1),
            EventBody::Known(_) | EventBody::Declared { .. } => {}
        }
    }

    async fn publish(
        &self,
        event: &PdaComputedEvent,
        observed: &ObservedEvent,
        transaction: Option<&Claim>,
        room: &mut Room,
    ) {
        let transaction = transaction.map(Claim::message);
        let Some(permit) = room.0.as_mut().and_then(|permit| permit.split(1)) else {
            // Room is made for exactly the events that are published. The transaction is read once more.
            tracing::error!(?event, "no room was made for an event");
            return;
        };
        let entry = match outgoing::entry(self.program_id, event.clone(), observed) {
            Ok(entry) => entry,
            Err(error) => {
                counter!(names::LISTENER_UNSENDABLE_TOTAL).increment(1);
                tracing::error!(%error, ?observed, "an event cannot be written as a message");
                if let Some(transaction) = transaction {
                    transaction.settle();
                }
                return;
            }
        };
        self.queued_lately.queued_now(event.expected_pda);
        let receipt = Receipt {
            transaction,
            origin: observed.origin,
            _permit: permit,
        };
        // The publisher ends after the intake, except in an abort: then the cursor stays behind this transaction.
        let _ = self.outlet.outbox.send(Outgoing { entry, receipt }).await;
    }

    pub(crate) fn set_backpressure(&self, backpressure: bool) {
        gauge!(names::LISTENER_BACKPRESSURE).set(if backpressure { 1.0 } else { 0.0 });
        self.status.backpressure(backpressure);
    }
}

/// Messages that these events make.
pub(crate) fn messages_of(events: &[Found]) -> u32 {
    let asks =
        |found: &&Found| matches!(&found.body, EventBody::Known(Event::PdaComputed(event)) if event.asks_for_account());
    // A transaction's logs hold a few dozen events at most.
    u32::try_from(events.iter().filter(asks).count()).unwrap_or(u32::MAX)
}
