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
        let now = session_clock::now();
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
mod tests;
