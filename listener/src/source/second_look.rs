//! Another try at what is in quarantine: the chain is asked again, or the queue. What comes takes the normal way, and is out
//! of quarantine once the queue has acknowledged it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use session_message::Origin;
use session_queue::{Queue, SendEntry};
use solana_sdk::signature::Signature;
use tokio::sync::mpsc;

use crate::{
    checkpoint::settles::Behalf,
    decode::reading::Reading,
    intake::transactions::{Intake, Taken, messages_of, undecodable_finding},
    patience::Patience,
    publish::publisher::unsendable,
    quarantine::{
        item::{Finding, QuarantineContent, QuarantineItem, QuarantineReason, Testimony},
        retrier::{Looked, SecondLook},
    },
    source::{
        examination::{Examination, examine},
        rpc::ProgramHistory,
    },
};

/// Everything that it takes.
pub(crate) struct AskAgain {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) queue: Arc<dyn Queue>,
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
            Examination::Whole(Reading { events, .. }) => {
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
        }
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
