//! The handler: reads the records of one invocation, has the engine create what they ask for, and concludes each.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use session_engine::{CreationError, CreationRequest, Engine, Outcome};
use session_queue::{Queue, VisibilityBackoff};
use tokio::time::Instant;

use crate::{
    conclusion::{Conclusion, Patience, Reason, waited},
    engine_source::EngineSource,
    reading::Reading,
    record::{Record, UnusableRecord},
    report::{RecordObserver, RecordReport},
    settling::Settling,
};

/// What the handler needs to know of the queue that feeds it.
#[derive(Debug, Clone)]
pub struct HandlerConfig {
    /// Attempts that a message has before it is a dead letter; the queue's own `maxReceiveCount` (`docs/contract.md`, "Attempts").
    pub max_receive_count: u32,
    /// How long a message that failed stays invisible, by attempt.
    pub visibility_backoff: VisibilityBackoff,
    /// How long a message may wait for room, from its first sending.
    pub deferral_max: Duration,
    /// Kept free before the invocation's deadline for dead letters, visibility changes and the answer itself.
    pub deadline_margin: Duration,
}

/// Creates and verifies the accounts that a batch of SQS records asks for.
pub struct Handler {
    engine: EngineSource,
    settling: Settling,
    config: HandlerConfig,
    observer: Arc<dyn RecordObserver>,
}

impl Handler {
    /// A handler for messages of `source`, whose failures end in `dead_letters`.
    pub fn new(
        engine: impl Into<EngineSource>,
        source: Arc<dyn Queue>,
        dead_letters: Arc<dyn Queue>,
        config: HandlerConfig,
        observer: Arc<dyn RecordObserver>,
    ) -> Self {
        Self {
            engine: engine.into(),
            settling: Settling::new(source, dead_letters, config.visibility_backoff.clone()),
            config,
            observer,
        }
    }

    /// The engine, if it runs already.
    #[must_use]
    pub fn engine(&self) -> Option<&Arc<Engine>> {
        self.engine.running()
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
        let concluded = self.settling.settle(&records, conclusions).await;

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
        let now = session_clock::now();
        let too_early = |record: &Record| Conclusion::too_early(record.deferred_until?, now);
        let requests: Vec<CreationRequest> = records
            .iter()
            .zip(readings)
            .filter_map(|(record, reading)| match reading {
                Reading::Creation(_, request) if too_early(record).is_none() => Some(request.clone()),
                Reading::Creation(..) | Reading::NoAccount(_) | Reading::Poison(..) => None,
            })
            .collect();
        let deadline = deadline.checked_sub(self.config.deadline_margin).unwrap_or(deadline);
        let mut answers = if requests.is_empty() {
            Vec::new().into_iter()
        } else {
            self.create(requests, deadline).await.into_iter()
        };
        records
            .iter()
            .zip(readings)
            .map(|(record, reading)| {
                let conclusion = match reading {
                    Reading::NoAccount(_) => Conclusion::Skipped,
                    Reading::Poison(_, reason) => Conclusion::DeadLettered(reason.clone()),
                    Reading::Creation(message, _) => match too_early(record) {
                        Some(deferred) => deferred,
                        None => match answers.next() {
                            Some(answer) => {
                                let origin = message.source.origin;
                                Conclusion::of(answer, origin, self.backoff(record), waited(record, now))
                            }
                            None => self.unanswered(record),
                        },
                    },
                };
                conclusion.within_limits(record, &self.patience(), session_clock::now())
            })
            .collect()
    }

    /// Each request's answer. Without an engine that is the reason why there is none.
    async fn create(&self, requests: Vec<CreationRequest>, deadline: Instant) -> Vec<Result<Outcome, CreationError>> {
        match self.engine.get(deadline).await {
            Ok(engine) => engine.create_batch(requests, deadline).await,
            Err(error) => requests.iter().map(|_| Err(error.clone())).collect(),
        }
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

    fn patience(&self) -> Patience {
        Patience {
            max_receive_count: self.config.max_receive_count,
            deferral_max: self.config.deferral_max,
        }
    }

    fn report(&self, record: Record, reading: Reading, conclusion: Conclusion) {
        let report = RecordReport {
            message_id: record.message_id,
            attempt: record.attempt,
            trace: record.trace,
            message: reading.into_message(),
            conclusion,
            concluded_at: session_clock::now_utc(),
        };
        report.record_metrics();
        report.log();
        self.observer.concluded(&report);
    }
}
