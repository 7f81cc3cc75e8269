//! The queues: whether they answer, and whether they are set up for each other.

use std::time::Duration;

use session_config::{QueueKind, Settings};
use session_queue_sqs::{QueueFacts, SqsConfig, SqsQueue};
use tokio::time::timeout;

use super::{Fault, PATIENCE, fault};

pub(super) async fn look(settings: &Settings) -> Result<String, Fault> {
    if settings.queue.kind == QueueKind::Memory {
        return Ok(String::from("in memory"));
    }
    let source = facts(settings, "queue.url", settings.queue.url.as_deref()).await?;
    let letters = facts(
        settings,
        "queue.dead_letter_url",
        settings.queue.dead_letter_url.as_deref(),
    )
    .await?;
    let expected = settings.queue.max_receive_count;
    let redrive = format!(
        "set the queue's redrive policy to {{\"deadLetterTargetArn\":\"{}\",\"maxReceiveCount\":{expected}}}, or mend \
         queue.dead_letter_url and queue.max_receive_count",
        letters.arn
    );
    let Some((target, count)) = &source.redrive else {
        return Err(fault(
            "the queue has no redrive policy: what crashes the function comes back for ever",
            redrive,
        ));
    };
    if *target != letters.arn {
        return Err(fault(
            format!(
                "the queue's dead letters go to {target}, and queue.dead_letter_url is {}",
                letters.arn
            ),
            redrive,
        ));
    }
    if *count != expected {
        return Err(fault(
            format!("the queue's maxReceiveCount is {count}, and queue.max_receive_count is {expected}"),
            redrive,
        ));
    }
    let needed = 6 * settings.service.function_timeout;
    if source.visibility_timeout < needed {
        let (has, needed) = (source.visibility_timeout.as_secs(), needed.as_secs());
        return Err(fault(
            format!("the queue hides a message for {has} s, and a function that takes its time needs {needed} s"),
            format!("set the queue's VisibilityTimeout to {needed} or more, or lower service.function_timeout_secs"),
        ));
    }
    Ok(String::from(
        "both queues answer, and dead letters go from one to the other",
    ))
}

async fn facts(settings: &Settings, key: &str, url: Option<&str>) -> Result<QueueFacts, Fault> {
    let remedy = format!("mend {key}, queue.region and AWS's credentials; the right sqs:GetQueueAttributes (infra/)");
    let queue = &settings.queue;
    let config = SqsConfig {
        queue_url: url.unwrap_or_default().to_owned(),
        endpoint_url: queue.endpoint_url.clone(),
        region: queue.region.clone(),
    };
    let connected = SqsQueue::connect(config).await;
    let connected = connected.map_err(|error| fault(format!("{key}: {error}"), remedy.as_str()))?;
    match timeout(PATIENCE + Duration::from_secs(1), connected.facts()).await {
        Ok(Ok(facts)) => Ok(facts),
        Ok(Err(error)) => Err(fault(format!("{key}: {error}"), remedy)),
        Err(_) => Err(fault(format!("{key}: no answer within {PATIENCE:?}"), remedy)),
    }
}
