//! The one way that every transaction takes, however it was found: to metrics, custom handlers and the outbox.

use std::sync::Arc;

use metrics::{counter, gauge};
use session_events::{Event, PdaComputedEvent};
use session_message::Origin;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::{
    checkpoint::{
        claim::Claim,
        settles::{Behalf, Settles},
        shared::SharedWatermark,
    },
    decode::observed::{EventBody, ObservedEvent},
    decode::reading::{Found, Reader, Undecodable},
    intake::handlers::Dispatcher,
    intake::lifecycle::Lifecycle,
    intake::queued_lately::QueuedLately,
    intake::slot_clock::SlotClock,
    patience::Patience,
    publish::outgoing::{self, Outgoing, Receipt},
    publish::outlet::Outlet,
    quarantine::{
        item::{Finding, QuarantineReason, Testimony},
        keeper::Parking,
    },
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
    /// Asks for a comparison with account state before its time.
    pub(crate) comparison: Notify,
    pub(crate) status: Arc<StatusBoard>,
    pub(crate) parking: Parking,
}

/// A transaction whose events are taken in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) signature: Signature,
    pub(crate) slot: u64,
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
            .rest(Arc::clone(&self.outlet.room).acquire_many_owned(messages))
            .await;
        self.set_backpressure(false);
        // The semaphore is never closed.
        permit?.ok().map(|permit| Room(Some(permit)))
    }

    /// Takes events of a transaction in, on somebody's behalf.
    pub(crate) async fn take(&self, behalf: Behalf<'_>, transaction: Taken, events: Vec<Found>, mut room: Room) {
        let Taken { signature, slot } = transaction;
        for Found {
            index,
            body,
            origin,
            requester,
        } in events
        {
            let observed_at = self.clock.visible_since(slot);
            let event = ObservedEvent {
                body,
                signature: Some(signature),
                slot,
                index,
                observed_at,
                origin,
                requester,
            };
            self.take_event(event, behalf, &mut room).await;
        }
    }

    /// The events of a claimed transaction are taken in that could be read, and these are those that couldn't: it is settled
    /// but for its messages, once what nobody can read is known in quarantine.
    pub(crate) async fn settle(&self, claim: Claim, slot: u64, undecodable: &[Undecodable]) {
        if undecodable.is_empty() {
            return claim.settle();
        }
        self.park(claim, slot, undecodable_finding(undecodable)).await;
    }

    /// Has a claimed transaction kept in quarantine, which settles it.
    pub(crate) async fn park(&self, claim: Claim, slot: u64, finding: Finding) {
        let item = self.parking.scope.transaction(&claim.signature(), slot, finding);
        self.parking.park(item, Settles::Transaction(claim)).await;
    }

    /// Takes one event in: a request for an account goes to the outbox, and nothing is settled before its message is.
    pub(crate) async fn take_event(&self, observed: ObservedEvent, behalf: Behalf<'_>, room: &mut Room) {
        let observed = Arc::new(observed);
        // What somebody looks for in the past has been told, and says nothing about the present.
        if !matches!(observed.origin, Origin::Backfill | Origin::Reconciliation) {
            self.lifecycle.record(&observed);
            self.dispatcher.dispatch(&observed);
        }
        match &observed.body {
            EventBody::Known(Event::PdaComputed(event)) if event.asks_for_account() => {
                self.publish(event, &observed, behalf, room).await;
            }
            EventBody::Known(Event::PdaComputed(_)) => counter!(names::EVENTS_SKIPPED_TOTAL).increment(1),
            EventBody::Known(_) | EventBody::Declared { .. } => {}
        }
    }

    async fn publish(&self, event: &PdaComputedEvent, observed: &ObservedEvent, behalf: Behalf<'_>, room: &mut Room) {
        let settles = behalf.message();
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
                return self.park_unwritable(observed, &error.to_string(), settles).await;
            }
        };
        self.queued_lately.queued_now(event.expected_pda, observed.signature);
        let receipt = Receipt {
            settles,
            origin: observed.origin,
            _permit: permit,
        };
        // The publisher ends after the intake, except in an abort: then the watermark stays behind this transaction.
        let _ = self.outlet.outbox.send(Outgoing { entry, receipt }).await;
    }

    /// An event that no message can be made of is known by its transaction; without one, it is found in account state again.
    async fn park_unwritable(&self, observed: &ObservedEvent, why: &str, settles: Settles) {
        let Some(signature) = &observed.signature else { return };
        let finding = Finding {
            reason: QuarantineReason::Unsendable,
            detail: format!("event {} cannot be written as a message: {why}", observed.index),
            evidence: Vec::new(),
        };
        let item = self.parking.scope.transaction(signature, observed.slot, finding);
        self.parking.park(item, settles).await;
    }

    pub(crate) fn set_backpressure(&self, backpressure: bool) {
        gauge!(names::LISTENER_BACKPRESSURE).set(if backpressure { 1.0 } else { 0.0 });
        self.status.backpressure(backpressure);
    }
}

/// What events show that nobody can read.
pub(crate) fn undecodable_finding(undecodable: &[Undecodable]) -> Finding {
    let details: Vec<String> = undecodable.iter().map(ToString::to_string).collect();
    Finding {
        reason: QuarantineReason::Undecodable,
        detail: details.join("; "),
        evidence: undecodable
            .iter()
            .map(|event| {
                let (witness, text) = event.content();
                Testimony::now(witness, text)
            })
            .collect(),
    }
}

/// Messages that these events make.
pub(crate) fn messages_of(events: &[Found]) -> u32 {
    let asking = events.iter().filter(|found| found.asks_for_account()).count();
    // A transaction's logs hold a few dozen events at most.
    u32::try_from(asking).unwrap_or(u32::MAX)
}
