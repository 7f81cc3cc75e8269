//! Messages between SQS's types and the queue trait's.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use aws_sdk_sqs::{
    error::BuildError,
    types::{
        Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
        MessageSystemAttributeValue, SendMessageBatchRequestEntry,
    },
};
use session_queue::{MESSAGE_GROUP_ID, MessageId, ReceiptHandle, ReceivedMessage, SendEntry, TRACE_HEADER};

const STRING: &str = "String";

/// An entry for `SendMessageBatch`, whose id is its place in the batch. A trace header travels as the system
/// attribute that X-Ray reads.
pub(crate) fn send_entry(index: usize, entry: SendEntry) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut builder = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(entry.body)
        .delay_seconds(whole_seconds(entry.delay));
    for (name, value) in entry.attributes {
        builder = if name == TRACE_HEADER {
            let value = MessageSystemAttributeValue::builder()
                .data_type(STRING)
                .string_value(value)
                .build()?;
            builder.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value)
        } else if name == MESSAGE_GROUP_ID {
            builder.message_group_id(value)
        } else {
            let value = MessageAttributeValue::builder()
                .data_type(STRING)
                .string_value(value)
                .build()?;
            builder.message_attributes(name, value)
        };
    }
    builder.build()
}

/// A received message; `None` where SQS left out what makes it one.
pub(crate) fn received(message: Message) -> Option<ReceivedMessage> {
    let system = message.attributes.unwrap_or_default();
    let number = |name| system.get(&name).and_then(|text| text.parse::<u64>().ok());
    let sent_at = time(number(MessageSystemAttributeName::SentTimestamp));
    let first_received_at = time(number(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp));
    let count = number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    let mut attributes = strings(message.message_attributes.unwrap_or_default());
    let kept_apart = [
        (TRACE_HEADER, MessageSystemAttributeName::AwsTraceHeader),
        (MESSAGE_GROUP_ID, MessageSystemAttributeName::MessageGroupId),
    ];
    for (name, system_name) in kept_apart {
        attributes.extend(system.get(&system_name).map(|value| (name.to_owned(), value.clone())));
    }
    Some(ReceivedMessage {
        message_id: MessageId::new(message.message_id?),
        receipt_handle: ReceiptHandle::new(message.receipt_handle?),
        body: message.body.unwrap_or_default(),
        attributes,
        receive_count: u32::try_from(count).unwrap_or(u32::MAX),
        first_received_at,
        sent_at,
    })
}

fn strings(attributes: HashMap<String, MessageAttributeValue>) -> BTreeMap<String, String> {
    attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect()
}

/// SQS counts in whole seconds. A part of one counts as a whole: a message must not come back too early.
pub(crate) fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn time(ms: Option<u64>) -> SystemTime {
    ms.map_or_else(session_clock::now, session_clock::from_epoch_ms)
}
