//! Takes notified transactions in at once, where that needs no other look at the chain than for who has paid.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use metrics::counter;
use session_admin::Pulse;
use session_message::Origin;
use solana_pubkey::Pubkey;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    checkpoint::{claim::Claim, settles::Behalf},
    decode::{listed::Listed, reading::Reading, transaction::fee_payer, wire::Fate},
    intake::transactions::{Intake, Room, Taken, messages_of},
    source::{gap::Gap, rpc::ProgramHistory, subscription::Notification, truncated::CutLogs},
};
use session_telemetry::names;

/// Transactions whose payers are looked up at a time; what comes on top waits in the channel of notifications.
const LOOK_UPS_MAX: usize = 32;
/// The longest that a look-up may take: the listing, which reads whole transactions, is as quick as that.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(2);

/// The one task that reads notifications.
pub(crate) struct FastPath {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) notifications: mpsc::Receiver<Notification>,
    /// Transactions that may be known from notifications alone.
    pub(crate) unlisted_max: usize,
    /// Transactions whose logs are cut.
    pub(crate) truncated: CutLogs,
    /// Asks for a listing.
    pub(crate) gap: Arc<Gap>,
    /// Shows that it makes progress.
    pub(crate) pulse: Pulse,
}

/// A claimed transaction that was read, and for whose messages there is room. Dropped, it is the listing's again.
struct Ready {
    claim: Claim,
    slot: u64,
    reading: Reading,
    room: Room,
}

/// What the fast path waits for.
enum Next {
    LookedUp(Ready, Option<Pubkey>),
    Notified(Option<Notification>),
}

impl FastPath {
    /// Runs until the subscription has ended and its last notification is read. Look-ups that are under way then are given
    /// back: the watermark has not passed their transactions.
    pub(crate) async fn run(mut self) {
        let mut look_ups: FuturesUnordered<BoxFuture<'static, (Ready, Option<Pubkey>)>> = FuturesUnordered::new();
        loop {
            let next = async {
                tokio::select! {
                    Some((ready, payer)) = look_ups.next() => Next::LookedUp(ready, payer),
                    notification = self.notifications.recv(), if look_ups.len() < LOOK_UPS_MAX => Next::Notified(notification),
                }
            };
            match self.pulse.rest(next).await {
                Next::LookedUp(ready, payer) => self.looked_up(ready, payer).await,
                Next::Notified(None) => return,
                Next::Notified(Some(notification)) => {
                    let Some(ready) = self.read(notification) else { continue };
                    if self.intake.reader.needs_requester(&ready.reading.events) {
                        look_ups.push(Box::pin(look_up(self.history.clone(), ready)));
                    } else {
                        self.take(ready).await;
                    }
                }
            }
        }
    }

    /// Claims and reads a transaction that needs no waiting; any other is left to the listing.
    fn read(&self, notification: Notification) -> Option<Ready> {
        let Notification {
            signature,
            slot,
            fate,
            logs,
        } = notification;
        let intake = &self.intake;
        if fate == Fate::Failed {
            // It changes nothing; the listing knows it as failed, too.
            intake.reader.read_failed(&signature, &logs);
            return None;
        }
        if intake.watermark.with(|watermark| watermark.unlisted()) >= self.unlisted_max {
            return self.leave("too_far_ahead");
        }
        // Whatever ends this early gives the transaction back to the listing.
        let claim = intake.watermark.claim(signature, slot)?;
        let whole = fate == Fate::Succeeded;
        let reading = whole.then(|| intake.reader.read_logs(&signature, &logs, Origin::Live));
        let Some(reading) = reading.flatten() else {
            // The whole transaction is needed: strangers decide how many such there are.
            let listed = Listed {
                signature,
                slot,
                failed: false,
            };
            self.truncated.leave((listed, claim), &self.gap);
            return None;
        };
        let Some(room) = intake.try_room(messages_of(&reading.events)) else {
            return self.leave("backpressure");
        };
        Some(Ready {
            claim,
            slot,
            reading,
            room,
        })
    }

    /// Leaves a transaction to the listing, which may not be due for long.
    fn leave<T>(&self, reason: &'static str) -> Option<T> {
        self.gap.leave(reason);
        None
    }

    async fn looked_up(&self, mut ready: Ready, payer: Option<Pubkey>) {
        let Some(payer) = payer else {
            drop(ready);
            self.leave::<()>("no_requester");
            return;
        };
        ready.reading.paid_by(payer);
        self.take(ready).await;
    }

    async fn take(&self, ready: Ready) {
        let Ready {
            claim,
            slot,
            reading: Reading {
                events, undecodable, ..
            },
            room,
        } = ready;
        let signature = claim.signature();
        counter!(names::LISTENER_TRANSACTIONS_TOTAL, "origin" => Origin::Live.name()).increment(1);
        self.intake
            .take(Behalf::Claim(&claim), Taken { signature, slot }, events, room)
            .await;
        self.pulse.rest(self.intake.settle(claim, slot, &undecodable)).await;
    }
}

/// Who paid for the transaction, in one call; `None` where that was not to be had in time.
async fn look_up(history: ProgramHistory, ready: Ready) -> (Ready, Option<Pubkey>) {
    let signature = ready.claim.signature();
    counter!(names::LISTENER_REQUESTERS_LOOKED_UP_TOTAL).increment(1);
    let payer = match timeout(LOOK_UP_LIMIT, history.transaction(signature)).await {
        Ok(Ok(transaction)) => fee_payer(&transaction)
            .inspect_err(|error| tracing::warn!(%signature, %error, "it cannot be read who paid for a transaction"))
            .ok(),
        Ok(Err(error)) => {
            tracing::warn!(%signature, %error, "it is not known who paid for a transaction: it is left to the listing");
            None
        }
        Err(_elapsed) => {
            tracing::warn!(%signature, limit = ?LOOK_UP_LIMIT, "it was not told in time who paid for a transaction");
            None
        }
    };
    (ready, payer)
}
