//! Takes notified transactions in at once, where that needs neither waiting nor another look at the chain.

use std::sync::Arc;

use metrics::counter;
use session_message::Origin;
use tokio::sync::{Notify, mpsc};

use crate::{
    checkpoint::settles::Behalf,
    decode::{reading::Reading, wire::Fate},
    intake::transactions::{Intake, Taken, messages_of},
    source::subscription::{Notification, left},
};
use session_telemetry::names;

/// The one task that reads notifications.
pub(crate) struct FastPath {
    pub(crate) intake: Arc<Intake>,
    pub(crate) notifications: mpsc::Receiver<Notification>,
    /// Transactions that may be known from notifications alone.
    pub(crate) unlisted_max: usize,
    /// Asks for a listing.
    pub(crate) gap: Arc<Notify>,
}

impl FastPath {
    /// Runs until the subscription has ended and its last notification is read.
    pub(crate) async fn run(mut self) {
        while let Some(notification) = self.notifications.recv().await {
            self.take(notification).await;
        }
    }

    async fn take(
        &self,
        Notification {
            signature,
            slot,
            fate,
            logs,
        }: Notification,
    ) {
        let intake = &self.intake;
        if fate == Fate::Failed {
            // It changes nothing; the listing knows it as failed, too.
            return intake.reader.read_failed(&signature, &logs);
        }
        if intake.watermark.with(|watermark| watermark.unlisted()) >= self.unlisted_max {
            return left("too_far_ahead");
        }
        // Whatever ends this early gives the transaction back to the listing.
        let Some(claim) = intake.watermark.claim(signature, slot) else {
            return;
        };
        let whole = fate == Fate::Succeeded;
        let reading = whole.then(|| intake.reader.read_logs(&signature, &logs, Origin::Live));
        let Some(Reading {
            events, undecodable, ..
        }) = reading.flatten()
        else {
            // The whole transaction is needed, and the listing reads whole transactions.
            drop(claim);
            left("incomplete_logs");
            return self.gap.notify_one();
        };
        let Some(room) = intake.try_room(messages_of(&events)) else {
            return left("backpressure");
        };
        counter!(names::LISTENER_TRANSACTIONS_TOTAL, "origin" => Origin::Live.name()).increment(1);
        intake
            .take(Behalf::Claim(&claim), Taken { signature, slot }, events, room)
            .await;
        intake.settle(claim, slot, &undecodable).await;
    }
}
