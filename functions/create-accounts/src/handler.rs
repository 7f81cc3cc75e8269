//! The handler: reads the records of one invocation, has the engine create what they ask for, and concludes each.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures::future::join_all;
use session_engine::{CreationRequest, Engine};
use session_queue::{Queue, ReceiptHandle, VisibilityBackoff, VisibilityEntry};
use time::OffsetDateTime;

use crate::{
    conclusion::{Conclusion, Reason},
    dead_letters::DeadLetters,
    reading::Reading,
    record::{Record, UnusableRecord},
    report::{RecordObserver, RecordReport},
};

/// What the handler needs to know of the queue that feeds it.
#[derive(Debug, Clone)]
pub struct HandlerConfig {
    /// Attempts that a message has before it is a dead letter; the queue's own `maxReceiveCount` (DESIGN, "Attempts").
    pub max_receive_count: u32,
    /// How long a message that failed stays invisible, by attempt.
    pub visibility_backoff: VisibilityBackoff,
    /// Kept free before the invocation's deadline for dead letters, visibility changes and the answer itself.
    pub deadline_margin: Duration,
}

/// Creates and verifies the accounts that a batch of SQS records asks for.
pub struct Handler {
    engine: Arc<Engine>,
    source: Arc<dyn Queue>,
    dead_letters: DeadLetters,
    config: HandlerConfig,
    observer: Arc<dyn RecordObserver>,
}

impl Handler {
    /// A handler for messages of `source`, whose failures end in `dead_letters`.
    pub fn new(
        engine: Arc<Engine>,
        source: Arc<dyn Queue>,
        dead_letters: Arc<dyn Queue>,
        config: HandlerConfig,
        observer: Arc<dyn RecordObserver>,
    ) -> Self {
        Self {
            engine,
            source,
            dead_letters: DeadLetters::new(dead_letters),
            config,
            observer,
        }
    }

    /// Handles one invocation. The response names the records that SQS has to deliver again; all others are done with.
    ///
    /// # Errors
    /// [`UnusableRecord`] where a record cannot be named in the response: the whole batch is then delivered again.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> Result<SqsBatchResponse, UnusableRecord> {
        let records: Vec<Record> = event
            .records
            .into_iter()
            .enumerate()
            .map(|(index, message)| Record::read(index, message))
            .collect::<Result<_, _>>()?;
        let readings: Vec<Reading> = records
            .iter()
            .map(|record| Reading::of(record, self.engine.policy()))
            .collect();
        let conclusions = self.conclude(&records, &readings, deadline).await;
        let concluded = join_all(
            records
                .iter()
                .zip(conclusions)
                .map(|(record, conclusion)| self.settle(record, conclusion)),
        )
        .await;

        let mut response = SqsBatchResponse::default();
        for ((record, reading), conclusion) in records.into_iter().zip(readings).zip(concluded) {
            if matches!(conclusion, Conclusion::Retried { .. }) {
                response.add_failure(record.message_id.clone());
            }
            self.report(record, reading, conclusion);
        }
        Ok(response)
    }

    /// One conclusion per record, in order, the accounts of all of them created together.
    async fn conclude(&self, records: &[Record], readings: &[Reading], deadline: Instant) -> Vec<Conclusion> {
        let requests: Vec<CreationRequest> = readings
            .iter()
            .filter_map(|reading| match reading {
                Reading::Creation(_, request) => Some(request.clone()),
                Reading::NoAccount(_) | Reading::Poison(..) => None,
            })
            .collect();
        let deadline = deadline.checked_sub(self.config.deadline_margin).unwrap_or(deadline);
        let mut answers = if requests.is_empty() {
            Vec::new().into_iter()
        } else {
            self.engine.create_batch(requests, deadline).await.into_iter()
        };
        records
            .iter()
            .zip(readings)
            .map(|(record, reading)| {
                let conclusion = match reading {
                    Reading::NoAccount(_) => Conclusion::Skipped,
                    Reading::Poison(_, reason) => Conclusion::DeadLettered(reason.clone()),
                    Reading::Creation(..) => match answers.next() {
                        Some(answer) => Conclusion::of(answer, self.backoff(record)),
                        None => self.unanswered(record),
                    },
                };
                conclusion.after_attempt(record.attempt, self.config.max_receive_count)
            })
            .collect()
    }

    fn unanswered(&self, record: &Record) -> Conclusion {
        let sentence = String::from("the engine gave no answer for this record; this is a defect of the service");
        let reason = Reason {
            code: "unanswered",
            sentence,
            last_signature: None,
        };
        Conclusion::Retried {
            reason,
            after: self.backoff(record),
        }
    }

    fn backoff(&self, record: &Record) -> Duration {
        self.config.visibility_backoff.after(record.attempt)
    }

    /// Makes a conclusion take effect on the queues. What cannot be dead-lettered stays in the source queue.
    async fn settle(&self, record: &Record, conclusion: Conclusion) -> Conclusion {
        match conclusion {
            Conclusion::DeadLettered(reason) => match self.dead_letters.send(record, &reason).await {
                Ok(()) => Conclusion::DeadLettered(reason),
                Err(error) => {
                    tracing::error!(message_id = record.message_id, %error, "dead letter kept in the source queue");
                    self.retry(record, reason, self.backoff(record)).await
                }
            },
            Conclusion::Retried { reason, after } => self.retry(record, reason, after).await,
            done @ (Conclusion::Verified(_) | Conclusion::Skipped) => done,
        }
    }

    /// Sets when the message is delivered again. A failure only means the queue's default visibility timeout.
    async fn retry(&self, record: &Record, reason: Reason, after: Duration) -> Conclusion {
        let entry = VisibilityEntry {
            receipt_handle: ReceiptHandle::new(record.receipt_handle.clone()),
            timeout: after,
        };
        match self.source.change_visibility_batch(vec![entry]).await {
            Ok(outcome) => {
                for error in outcome.entries.into_iter().filter_map(Result::err) {
                    tracing::warn!(message_id = record.message_id, %error, "visibility timeout left as it was");
                }
            }
            Err(error) => tracing::warn!(message_id = record.message_id, %error, "visibility timeout left as it was"),
        }
        Conclusion::Retried { reason, after }
    }

    fn report(&self, record: Record, reading: Reading, conclusion: Conclusion) {
        let report = RecordReport {
            message_id: record.message_id,
            attempt: record.attempt,
            trace: record.trace,
            message: reading.into_message(),
            conclusion,
            concluded_at: OffsetDateTime::now_utc(),
        };
        report.record_metrics();
        report.log();
        self.observer.concluded(&report);
    }
}
