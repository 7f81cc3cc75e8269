//! A queue of SQS, or of any server that speaks its protocol.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::{
    Client,
    config::{http::HttpResponse, timeout::TimeoutConfig},
    error::SdkError,
    operation::send_message_batch::SendMessageBatchError,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
    },
};
use session_queue::{
    Accepted, BatchOutcome, Depth, EntryError, MessageId, Queue, QueueError, ReceiptHandle, ReceiveRequest,
    ReceivedMessage, SendEntry, SendOutcome, Settled, VisibilityEntry, check_length, check_sends,
};

use crate::{
    fault::{SqsError, entry_error, is_about_entries, queue_error, refused_alone, unanswered},
    message::{received, send_entry, whole_seconds},
};

/// How long SQS may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long any call may take beyond the wait that it asks for. SQS answers within tens of milliseconds.
const CALL_LIMIT: Duration = Duration::from_secs(8);
/// SQS waits in whole seconds.
const SHORTEST_LONG_POLL: Duration = Duration::from_secs(1);

type SendMessageBatchFailure = SdkError<SendMessageBatchError, HttpResponse>;

/// Which queue, and where.
#[derive(Debug, Clone)]
pub struct SqsConfig {
    /// The queue's URL.
    pub queue_url: String,
    /// Another endpoint than AWS's.
    pub endpoint_url: Option<String>,
    /// The region; the AWS environment's if absent.
    pub region: Option<String>,
}

/// How a queue is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// Its ARN.
    pub arn: String,
    /// How long it hides a received message by default.
    pub visibility_timeout: Duration,
    /// The ARN of its dead-letter queue, and after how many receives a message goes there.
    pub redrive: Option<(String, u32)>,
}

/// One queue.
pub struct SqsQueue {
    client: Client,
    url: String,
    name: String,
}

impl SqsQueue {
    /// A queue, with the credentials that the SDK finds. Sends no request to SQS yet.
    ///
    /// # Errors
    /// [`SqsError`] where the queue cannot be addressed.
    pub async fn connect(config: SqsConfig) -> Result<Self, SqsError> {
        let url = config.queue_url;
        let name = url
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        let name = name.ok_or_else(|| SqsError::BadUrl { url: url.clone() })?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = config.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = config.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            return Err(SqsError::NoRegion);
        }
        let config = aws_sdk_sqs::config::Builder::from(&shared)
            .timeout_config(timeouts(CALL_LIMIT))
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            url,
            name,
        })
    }

    /// One receive, within its wait and the limit of any call.
    async fn poll(&self, request: ReceiveRequest, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        let patient = aws_sdk_sqs::config::Builder::new().timeout_config(timeouts(wait + CALL_LIMIT));
        let output = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(request.max_messages).unwrap_or(i32::MAX))
            .wait_time_seconds(whole_seconds(wait))
            .set_visibility_timeout(request.visibility_timeout.map(whole_seconds))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .customize()
            .config_override(patient)
            .send()
            .await
            .map_err(|error| queue_error(&self.name, "ReceiveMessage", &error))?;
        Ok(output
            .messages
            .unwrap_or_default()
            .into_iter()
            .filter_map(received)
            .collect())
    }

    /// One `SendMessageBatch`. Its entries' ids are their places among the answers.
    async fn send_part(
        &self,
        part: &[SendMessageBatchRequestEntry],
        answers: &mut [Option<Result<Accepted, EntryError>>],
    ) -> Result<(), SendMessageBatchFailure> {
        let call = self.client.send_message_batch().queue_url(&self.url);
        let output = call.set_entries(Some(part.to_vec())).send().await?;
        for sent in output.successful() {
            let accepted = Accepted {
                message_id: MessageId::new(sent.message_id().to_owned()),
                settled: Settled::Now,
            };
            answer(answers, sent.id(), Ok(accepted));
        }
        for failed in output.failed() {
            answer(answers, failed.id(), Err(entry_error(failed, None)));
        }
        Ok(())
    }

    fn unbuildable(&self, operation: &'static str, error: aws_sdk_sqs::error::BuildError) -> QueueError {
        QueueError::Service {
            queue: self.name.clone(),
            operation,
            retryable: false,
            source: error.into(),
        }
    }
}

impl SqsQueue {
    /// How the queue is set up.
    ///
    /// # Errors
    /// [`QueueError`] where it cannot be asked.
    pub async fn facts(&self) -> Result<QueueFacts, QueueError> {
        let output = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| queue_error(&self.name, "GetQueueAttributes", &error))?;
        let mut attributes = output.attributes.unwrap_or_default();
        let mut text = |name| attributes.remove(&name).unwrap_or_default();
        let policy: serde_json::Value =
            serde_json::from_str(&text(QueueAttributeName::RedrivePolicy)).unwrap_or_default();
        // SQS writes the count as a number or as text, by who set it.
        let count = policy["maxReceiveCount"]
            .as_u64()
            .or_else(|| policy["maxReceiveCount"].as_str()?.parse().ok());
        let target = policy["deadLetterTargetArn"].as_str().map(str::to_owned);
        Ok(QueueFacts {
            arn: text(QueueAttributeName::QueueArn),
            visibility_timeout: Duration::from_secs(
                text(QueueAttributeName::VisibilityTimeout).parse().unwrap_or_default(),
            ),
            redrive: target.zip(count.and_then(|count| u32::try_from(count).ok())),
        })
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send_batch(&self, entries: Vec<SendEntry>) -> Result<SendOutcome, QueueError> {
        const OPERATION: &str = "SendMessageBatch";
        check_sends(&entries)?;
        let mut answers: Vec<Option<Result<Accepted, EntryError>>> = Vec::with_capacity(entries.len());
        let mut requests = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            // What SQS would refuse is answered here: it would refuse it with fewer words.
            answers.push(entry.check().err().map(Err));
            if answers[index].is_none() {
                requests.push(send_entry(index, entry).map_err(|error| self.unbuildable(OPERATION, error))?);
            }
        }
        // The first part is on top.
        let mut parts: Vec<_> = (!requests.is_empty()).then_some(requests).into_iter().collect();
        while let Some(mut part) = parts.pop() {
            match self.send_part(&part, &mut answers).await {
                Ok(()) => {}
                Err(error) if is_about_entries(&error) => {
                    if let [only] = part.as_slice() {
                        answer(&mut answers, only.id(), Err(refused_alone(&error)));
                    } else {
                        let second = part.split_off(part.len() / 2);
                        parts.extend([second, part]);
                    }
                }
                // What is accepted is accepted; whatever has no answer then is sent again.
                Err(_) if answers.iter().flatten().any(Result::is_ok) => break,
                Err(error) => return Err(queue_error(&self.name, OPERATION, &error)),
            }
        }
        Ok(SendOutcome {
            entries: answered(answers),
        })
    }

    async fn receive(&self, request: ReceiveRequest) -> Result<Vec<ReceivedMessage>, QueueError> {
        if request.wait >= SHORTEST_LONG_POLL || request.wait.is_zero() {
            return self.poll(request, request.wait).await;
        }
        // SQS waits in whole seconds. What comes within a shorter wait is there at its end.
        tokio::time::sleep(request.wait).await;
        self.poll(request, Duration::ZERO).await
    }

    async fn change_visibility_batch(&self, entries: Vec<VisibilityEntry>) -> Result<BatchOutcome, QueueError> {
        const OPERATION: &str = "ChangeMessageVisibilityBatch";
        check_length(entries.len())?;
        let handles: Vec<ReceiptHandle> = entries.iter().map(|entry| entry.receipt_handle.clone()).collect();
        let requests: Result<Vec<_>, _> = entries
            .into_iter()
            .enumerate()
            .map(|(index, entry)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(entry.receipt_handle.as_str())
                    .visibility_timeout(whole_seconds(entry.timeout))
                    .build()
            })
            .collect();
        let requests = requests.map_err(|error| self.unbuildable(OPERATION, error))?;
        let call = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(requests));
        let output = call
            .send()
            .await
            .map_err(|error| queue_error(&self.name, OPERATION, &error))?;
        let succeeded = output
            .successful()
            .iter()
            .map(aws_sdk_sqs::types::ChangeMessageVisibilityBatchResultEntry::id);
        Ok(outcome(&handles, succeeded, output.failed()))
    }

    async fn delete_batch(&self, receipt_handles: Vec<ReceiptHandle>) -> Result<BatchOutcome, QueueError> {
        const OPERATION: &str = "DeleteMessageBatch";
        check_length(receipt_handles.len())?;
        let entry = |(index, handle): (usize, &ReceiptHandle)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(handle.as_str())
                .build()
        };
        let requests: Result<Vec<_>, _> = receipt_handles.iter().enumerate().map(entry).collect();
        let requests = requests.map_err(|error| self.unbuildable(OPERATION, error))?;
        let call = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(requests));
        let output = call
            .send()
            .await
            .map_err(|error| queue_error(&self.name, OPERATION, &error))?;
        let succeeded = output
            .successful()
            .iter()
            .map(aws_sdk_sqs::types::DeleteMessageBatchResultEntry::id);
        Ok(outcome(&receipt_handles, succeeded, output.failed()))
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let output = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed)
            .send()
            .await
            .map_err(|error| queue_error(&self.name, "GetQueueAttributes", &error))?;
        let attributes = output.attributes.unwrap_or_default();
        let number = |name| {
            attributes
                .get(&name)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default()
        };
        Ok(Depth {
            visible: number(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
            deferred: 0,
        })
    }
}

fn outcome<'id>(
    handles: &[ReceiptHandle],
    succeeded: impl Iterator<Item = &'id str>,
    failed: &[BatchResultErrorEntry],
) -> BatchOutcome {
    let mut answers: Vec<Option<Result<(), EntryError>>> = handles.iter().map(|_| None).collect();
    for id in succeeded {
        answer(&mut answers, id, Ok(()));
    }
    for entry in failed {
        let handle = entry.id().parse::<usize>().ok().and_then(|index| handles.get(index));
        answer(
            &mut answers,
            entry.id(),
            Err(entry_error(entry, handle.map(ReceiptHandle::as_str))),
        );
    }
    BatchOutcome {
        entries: answered(answers),
    }
}

/// An entry's id is its place in the batch.
fn answer<T>(answers: &mut [Option<Result<T, EntryError>>], id: &str, result: Result<T, EntryError>) {
    if let Some(slot) = id.parse::<usize>().ok().and_then(|index| answers.get_mut(index)) {
        *slot = Some(result);
    }
}

fn answered<T>(answers: Vec<Option<Result<T, EntryError>>>) -> Vec<Result<T, EntryError>> {
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|| Err(unanswered())))
        .collect()
}

/// A call ends within the limit, its retries included; one try gets half of it, so that a second one has a chance.
fn timeouts(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(limit.saturating_sub(CALL_LIMIT / 2))
        .operation_timeout(limit)
        .build()
}
