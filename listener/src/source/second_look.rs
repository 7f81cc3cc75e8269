//! Another try at what is in quarantine: the chain is asked again, or the queue. What comes takes the normal way, and is out
//! of quarantine once the queue has acknowledged it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use session_message::Origin;
use session_queue::{Queue, SendEntry};
use solana_sdk::signature::Signature;
use tokio::sync::{Mutex, mpsc};

use crate::{
    checkpoint::settles::Behalf,
    decode::reading::Reading,
    intake::transactions::{Intake, Taken, messages_of, undecodable_finding},
    patience::Patience,
    publish::publisher::unsendable,
    quarantine::{
        item::{Finding, ListedTransaction, QuarantineContent, QuarantineItem, QuarantineReason, Testimony},
        retrier::{Looked, SecondLook},
    },
    source::{
        bucket::Bucket,
        examination::{Examination, examine},
        rpc::ProgramHistory,
    },
};

/// Everything that it takes.
#[derive(Clone)]
pub(crate) struct AskAgain {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) queue: Arc<dyn Queue>,
    /// Pays for what was postponed.
    pub(crate) bucket: Arc<Bucket>,
    /// Whose turn it is to be paid for: one item's.
    pub(crate) turn: Arc<Mutex<()>>,
}

#[async_trait]
impl SecondLook for AskAgain {
    async fn look(&self, item: &QuarantineItem) -> Looked {
        match &item.content {
            QuarantineContent::Transaction { signature, slot } => match signature.parse() {
                Ok(signature) => self.transaction(signature, *slot).await,
                Err(_) => Looked::Still(Finding {
                    detail: format!("{signature:?} is no signature: release it"),
                    ..item.clone().into_finding()
                }),
            },
            QuarantineContent::Transactions { transactions } => {
                let (look, transactions) = (self.clone(), transactions.clone());
                Looked::UnderWay(Box::pin(async move { look.postponed(transactions).await }))
            }
            QuarantineContent::Message { body, attributes } => {
                let entry = SendEntry {
                    body: body.clone(),
                    attributes: attributes.clone(),
                    delay: Duration::ZERO,
                };
                self.message(entry).await
            }
        }
    }
}

impl AskAgain {
    async fn transaction(&self, signature: Signature, slot: u64) -> Looked {
        let reader = &self.intake.reader;
        match examine(&self.history, reader, signature, Origin::Fill).await {
            Examination::Not { finding, .. } => Looked::Still(finding),
            // What could be read of it was taken in before.
            Examination::Whole(Reading { undecodable, .. }) if !undecodable.is_empty() => {
                Looked::Still(undecodable_finding(&undecodable))
            }
            Examination::Whole(reading) => self.take(signature, slot, reading).await,
        }
    }

    /// Takes in what was postponed, one after the other, each for a token. One that cannot be had is put into quarantine by
    /// itself. Answers whether all of them are safe.
    async fn postponed(&self, transactions: Vec<ListedTransaction>) -> bool {
        let _turn = self.turn.lock().await;
        for ListedTransaction { signature, slot } in transactions {
            let Ok(signature) = signature.parse() else { continue };
            self.bucket.take().await;
            let safe = match self.transaction_once(signature, slot).await {
                Looked::UnderWay(arrives) => arrives.await,
                Looked::Still(finding) => self.park(signature, slot, finding).await,
                Looked::Stopped => false,
            };
            if !safe {
                return false;
            }
        }
        true
    }

    async fn park(&self, signature: Signature, slot: u64, finding: Finding) -> bool {
        let (told, mut saved) = mpsc::channel(1);
        let parking = &self.intake.parking;
        let item = parking.scope.transaction(&signature, slot, finding);
        parking.park(item, Behalf::Quarantine(&told).message()).await;
        drop(told);
        saved.recv().await.is_some()
    }

    /// The preferred endpoint has it whole, as a rule, and is asked alone.
    async fn transaction_once(&self, signature: Signature, slot: u64) -> Looked {
        let reader = &self.intake.reader;
        if let Ok(transaction) = self.history.transaction(signature).await {
            let reading = reader.read_transaction(&signature, &transaction, Origin::Fill);
            if reading.gap.is_none() && reading.undecodable.is_empty() {
                return self.take(signature, slot, reading).await;
            }
        }
        self.transaction(signature, slot).await
    }

    async fn take(&self, signature: Signature, slot: u64, Reading { events, .. }: Reading) -> Looked {
        let messages = messages_of(&events);
        let Some(room) = self.intake.wait_for_room(messages, &self.patience).await else {
            return Looked::Stopped;
        };
        let messages = messages as usize;
        let (told, mut acknowledged) = mpsc::channel(messages.max(1));
        self.intake
            .take(Behalf::Quarantine(&told), Taken { signature, slot }, events, room)
            .await;
        // What was given up on the way cannot tell.
        drop(told);
        Looked::UnderWay(Box::pin(async move {
            for _ in 0..messages {
                if acknowledged.recv().await.is_none() {
                    return false;
                }
            }
            true
        }))
    }

    async fn message(&self, entry: SendEntry) -> Looked {
        let still = |detail: String| {
            Looked::Still(Finding {
                reason: QuarantineReason::Unsendable,
                evidence: vec![Testimony::now(self.queue.name(), &detail)],
                detail,
            })
        };
        let answer = match self.queue.send_batch(vec![entry]).await {
            Ok(outcome) => outcome.entries.into_iter().next(),
            Err(error) => return still(error.to_string()),
        };
        match answer {
            Some(Ok(accepted)) => Looked::UnderWay(Box::pin(accepted.settled.wait())),
            Some(Err(error)) => Looked::Still(unsendable(self.queue.name(), &error)),
            None => still(String::from("the queue gives no answer for the message")),
        }
    }
}
