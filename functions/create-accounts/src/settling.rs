//! Makes conclusions take effect on the queues, in as few calls as there are kinds of them.
//!
//! What goes to another place is there before the response lets the original be deleted; what cannot go there stays in
//! the source queue, and becomes visible again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::join;
use session_queue::{
    BATCH_ENTRIES_MAX, DeferEntry, Deferral, Queue, ReceiptHandle, VISIBILITY_TIMEOUT_MAX, VisibilityBackoff,
    VisibilityEntry, batches,
};

use crate::{
    conclusion::{Conclusion, Reason},
    dead_letters::DeadLetters,
    record::Record,
};

/// The two queues of a handler.
pub(crate) struct Settling {
    source: Arc<dyn Queue>,
    dead_letters: DeadLetters,
    backoff: VisibilityBackoff,
}

impl Settling {
    pub(crate) fn new(source: Arc<dyn Queue>, dead_letters: Arc<dyn Queue>, backoff: VisibilityBackoff) -> Self {
        Self {
            source,
            dead_letters: DeadLetters::new(dead_letters),
            backoff,
        }
    }

    /// What the conclusions have become once they took effect.
    pub(crate) async fn settle(&self, records: &[Record], mut conclusions: Vec<Conclusion>) -> Vec<Conclusion> {
        let (unsent, unkept) = join(
            self.send_dead_letters(records, &conclusions),
            self.send_deferred(records, &conclusions),
        )
        .await;
        for (index, retried) in unsent.into_iter().chain(unkept) {
            conclusions[index] = retried;
        }
        self.hide(records, &conclusions).await;
        conclusions
    }

    /// The places of those that did not reach the dead-letter queue, with what they are instead.
    async fn send_dead_letters(&self, records: &[Record], conclusions: &[Conclusion]) -> Vec<(usize, Conclusion)> {
        let given_up: Vec<(usize, &Reason)> = places(conclusions, |conclusion| match conclusion {
            Conclusion::DeadLettered(reason) => Some(reason),
            _ => None,
        });
        let letters = given_up
            .iter()
            .map(|(index, reason)| (&records[*index], *reason))
            .collect();
        let answers = self.dead_letters.send(letters).await;
        let mut unsent = Vec::new();
        for ((index, reason), answer) in given_up.into_iter().zip(answers) {
            let Err(error) = answer else { continue };
            let record = &records[index];
            tracing::error!(message_id = record.message_id, %error, "dead letter kept in the source queue");
            let after = self.backoff.after(record.attempt);
            let reason = reason.clone();
            unsent.push((index, Conclusion::Retried { reason, after }));
        }
        unsent
    }

    /// The places of those that could not be sent anew, with what they are instead.
    async fn send_deferred(&self, records: &[Record], conclusions: &[Conclusion]) -> Vec<(usize, Conclusion)> {
        let now = SystemTime::now();
        let waiting: Vec<(usize, (&Reason, Duration))> = places(conclusions, |conclusion| match conclusion {
            Conclusion::Deferred { reason, after } => Some((reason, *after)),
            _ => None,
        });
        let entries = waiting
            .iter()
            .map(|(index, (_, after))| anew(&records[*index], *after, now))
            .collect();
        let answers = self.defer(entries).await;
        let mut unkept = Vec::new();
        for ((index, (reason, after)), kept) in waiting.into_iter().zip(answers) {
            if !kept {
                let (reason, after) = (reason.clone(), after.min(VISIBILITY_TIMEOUT_MAX));
                unkept.push((index, Conclusion::Retried { reason, after }));
            }
        }
        unkept
    }

    /// Whether each was sent anew.
    async fn defer(&self, entries: Vec<DeferEntry>) -> Vec<bool> {
        let mut kept = Vec::with_capacity(entries.len());
        for batch in batches(entries, DeferEntry::size_bytes) {
            let wanted = kept.len() + batch.len();
            match self.source.defer_batch(batch).await {
                Ok(outcome) => {
                    for answer in outcome.entries {
                        if let Err(error) = &answer {
                            tracing::error!(%error, "message not sent anew; it waits in its place, which counts as an attempt");
                        }
                        kept.push(answer.is_ok());
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "messages not sent anew; they wait in their place, which counts as an attempt");
                }
            }
            kept.resize(wanted, false);
        }
        kept
    }

    /// Sets when messages are delivered again. A failure only means the queue's default visibility timeout.
    async fn hide(&self, records: &[Record], conclusions: &[Conclusion]) {
        let hidden: Vec<(usize, Duration)> = places(conclusions, |conclusion| match conclusion {
            Conclusion::Retried { after, .. } => Some(*after),
            _ => None,
        });
        for batch in hidden.chunks(BATCH_ENTRIES_MAX) {
            let entry = |(index, after): &(usize, Duration)| VisibilityEntry {
                receipt_handle: ReceiptHandle::new(records[*index].receipt_handle.clone()),
                timeout: (*after).min(VISIBILITY_TIMEOUT_MAX),
            };
            match self
                .source
                .change_visibility_batch(batch.iter().map(entry).collect())
                .await
            {
                Ok(outcome) => {
                    for error in outcome.entries.into_iter().filter_map(Result::err) {
                        tracing::warn!(%error, "visibility timeout left as it was");
                    }
                }
                Err(error) => tracing::warn!(%error, "visibility timeouts left as they were"),
            }
        }
    }
}

fn places<'all, T>(conclusions: &'all [Conclusion], pick: impl Fn(&'all Conclusion) -> Option<T>) -> Vec<(usize, T)> {
    let picked = conclusions.iter().enumerate();
    picked
        .filter_map(|(index, conclusion)| Some((index, pick(conclusion)?)))
        .collect()
}

/// The same message, which has used as many attempts as before this delivery, and keeps its age.
fn anew(record: &Record, after: Duration, now: SystemTime) -> DeferEntry {
    let mut attributes = record.attributes.clone();
    let deferral = Deferral {
        attempts: record.attempt.saturating_sub(1),
        first_sent_at: Some(record.first_sent_at.or(record.first_received_at).unwrap_or(now)),
        until: now.checked_add(after),
    };
    deferral.write(&mut attributes);
    DeferEntry {
        body: record.body.clone(),
        attributes,
        delay: after,
    }
}

#[cfg(test)]
mod tests {
    use session_queue::{Clock, InMemoryConfig, InMemoryQueue, ReceiveRequest, ReceivedMessage, SendEntry};
    use tokio::time::advance;

    use super::*;

    fn queues() -> (Arc<InMemoryQueue>, Arc<InMemoryQueue>) {
        let config = |name: &str| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: Duration::from_mins(3),
            capacity: 100,
        };
        let (source, dead_letters) = InMemoryQueue::volatile(config("sessions"), config("dead-letters"), 5);
        (
            Arc::new(source.with_clock(Clock::on_tokio(SystemTime::now()))),
            dead_letters,
        )
    }

    async fn received(queue: &InMemoryQueue) -> Option<ReceivedMessage> {
        let request = ReceiveRequest {
            max_messages: 1,
            wait: Duration::ZERO,
            visibility_timeout: None,
        };
        queue.receive(request).await.unwrap().pop()
    }

    /// A received message as Lambda would give it to the handler.
    fn record(message: ReceivedMessage) -> Record {
        let mut sqs = aws_lambda_events::event::sqs::SqsMessage::default();
        sqs.message_id = Some(message.message_id.as_str().to_owned());
        sqs.receipt_handle = Some(message.receipt_handle.as_str().to_owned());
        sqs.body = Some(message.body);
        let count = message.receive_count.to_string();
        let sent_at = message
            .sent_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        sqs.attributes = [
            ("ApproximateReceiveCount", count),
            ("SentTimestamp", sent_at.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, value) in message.attributes {
            let mut attribute = aws_lambda_events::event::sqs::SqsMessageAttribute::default();
            attribute.string_value = Some(value);
            sqs.message_attributes.insert(name, attribute);
        }
        Record::read(0, sqs).unwrap()
    }

    fn reason() -> Reason {
        Reason {
            code: "hourly_budget",
            sentence: String::from("the budget is spent"),
            last_signature: None,
        }
    }

    /// What the event source does with a record that the response does not name.
    async fn acknowledge(queue: &InMemoryQueue, record: &Record) {
        let handle = ReceiptHandle::new(record.receipt_handle.clone());
        queue.delete_batch(vec![handle]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn however_often_it_waits_a_message_keeps_its_attempts_and_its_age() {
        let (source, dead_letters) = queues();
        let settling = Settling::new(source.clone(), dead_letters.clone(), VisibilityBackoff::default());
        let entry = SendEntry {
            body: String::from("a"),
            attributes: [(String::from("pda"), String::from("x"))].into(),
            delay: Duration::ZERO,
        };
        source.send_batch(vec![entry]).await.unwrap();
        let first = record(received(&source).await.unwrap());
        let failed = Conclusion::Retried {
            reason: reason(),
            after: Duration::from_secs(1),
        };
        settling.settle(std::slice::from_ref(&first), vec![failed]).await;
        advance(Duration::from_secs(1)).await;

        for waits in 1..=20 {
            let record = record(received(&source).await.unwrap());
            assert_eq!(record.attempt, 2, "after {waits} deferrals");
            assert_eq!(record.first_sent_at, first.first_sent_at);
            let after = Duration::from_hours(1);
            let deferred = Conclusion::Deferred {
                reason: reason(),
                after,
            };
            let concluded = settling.settle(std::slice::from_ref(&record), vec![deferred]).await;
            assert!(matches!(concluded[..], [Conclusion::Deferred { .. }]), "{concluded:?}");
            acknowledge(&source, &record).await;
            assert!(received(&source).await.is_none());
            advance(after).await;
        }
        let last = record(received(&source).await.unwrap());
        let given_up = Conclusion::DeadLettered(reason());
        settling.settle(std::slice::from_ref(&last), vec![given_up]).await;
        let letter = received(&dead_letters).await.unwrap();
        assert_eq!(letter.attributes["attempts"], "2");
        assert!(!letter.attributes.contains_key("first_sent_at"));
    }
}
