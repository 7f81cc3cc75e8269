//! The command `dead-letters`: what was given up and why, and another try for it.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use anyhow::Result;
use session_config::{QueueKind, Settings};
use session_message::Message;
use session_queue::{DeadLetter, MessageId, Queue, ReceiveRequest, ReceivedMessage, VisibilityEntry, redrive};
use session_store::{Reader, StoredLetter};

use session_builder::{queues::Queues, redrive_request, screen::Screen};
use session_telemetry::Quoted;

use crate::cli::DeadLettersAction;

/// How long a dead letter is hidden from others while it is listed.
const LISTING_TIMEOUT: Duration = Duration::from_mins(5);
/// A short poll asks some of SQS's servers and misses what the others have.
const LONG_POLL: Duration = Duration::from_secs(2);
/// Answers without a new letter that end a listing: depths are approximate.
const EMPTY_POLLS_MAX: u32 = 2;

/// Carries out the command.
///
/// # Errors
/// What the queue, the disk or the running service says.
pub(crate) async fn dead_letters(settings: &Settings, screen: &Screen, action: &DeadLettersAction) -> Result<()> {
    match (action, settings.queue.kind) {
        (DeadLettersAction::List, QueueKind::Memory) => list_in_store(settings, screen).await,
        (DeadLettersAction::List, QueueKind::Sqs) => list_in_sqs(settings, screen).await,
        (DeadLettersAction::Redrive { limit }, QueueKind::Memory) => {
            screen.print(&redrive_request::submit(&settings.service.state_dir, *limit).await?);
            Ok(())
        }
        (DeadLettersAction::Redrive { limit }, QueueKind::Sqs) => {
            let queues = Queues::open(settings).await?;
            let redriven = redrive(queues.dead_letters.as_ref(), queues.source.as_ref(), *limit).await?;
            screen.print(&redrive_request::told(&redriven));
            Ok(())
        }
    }
}

async fn list_in_store(settings: &Settings, screen: &Screen) -> Result<()> {
    let reader = Reader::open(&settings.service.state_dir).await?;
    let letters = reader.dead_letters(usize::MAX).await?;
    for StoredLetter { letter, redriven_at } in &letters {
        let note = if redriven_at.is_some() { " under way again" } else { "" };
        let line = line(letter.message_id.as_str(), &letter.attributes, &letter.body);
        screen.print(&format!("{line}{note}"));
    }
    screen.print(&format!("dead letters {}", letters.len()));
    Ok(())
}

async fn list_in_sqs(settings: &Settings, screen: &Screen) -> Result<()> {
    let queues = Queues::open(settings).await?;
    let waiting = usize::try_from(queues.dead_letters.depth().await?.total())?;
    let (mut listed, mut seen): (Vec<ReceivedMessage>, HashSet<MessageId>) = (Vec::new(), HashSet::new());
    let mut empty_polls = 0;
    while listed.len() < waiting && empty_polls < EMPTY_POLLS_MAX {
        let request = ReceiveRequest {
            max_messages: 10,
            wait: LONG_POLL,
            visibility_timeout: Some(LISTING_TIMEOUT),
        };
        let mut letters = queues.dead_letters.receive(request).await?;
        letters.retain(|letter| seen.insert(letter.message_id.clone()));
        empty_polls = if letters.is_empty() { empty_polls + 1 } else { 0 };
        for letter in &letters {
            screen.print(&line(letter.message_id.as_str(), &letter.attributes, &letter.body));
        }
        listed.extend(letters);
    }
    screen.print(&format!("dead letters {}", listed.len()));
    show_again(queues.dead_letters.as_ref(), &listed).await
}

/// Makes what was listed visible at once for whoever comes next.
async fn show_again(queue: &dyn Queue, listed: &[ReceivedMessage]) -> Result<()> {
    for letters in listed.chunks(10) {
        let visible = |letter: &ReceivedMessage| VisibilityEntry {
            receipt_handle: letter.receipt_handle.clone(),
            timeout: Duration::ZERO,
        };
        queue
            .change_visibility_batch(letters.iter().map(visible).collect())
            .await?;
    }
    Ok(())
}

fn line(message_id: &str, attributes: &BTreeMap<String, String>, body: &str) -> String {
    let session = Message::from_json(body).map_or_else(
        |_| String::from("session=? pda=?"),
        |message| {
            format!(
                "session={} pda={}",
                Quoted(&message.event.session_id),
                message.event.expected_pda
            )
        },
    );
    let reason = DeadLetter::from_attributes(attributes).map_or_else(
        |_| {
            String::from(
                "reason=? attempts=? note=\"moved by the queue itself: every attempt ended without an answer\"",
            )
        },
        |letter| {
            let signature = letter.last_signature.unwrap_or_default();
            format!(
                "reason={} attempts={} signature={} note={}",
                Quoted(&letter.reason),
                letter.attempts,
                Quoted(&signature),
                Quoted(&letter.sentence)
            )
        },
    );
    format!("dead-letter message={} {session} {reason}", Quoted(message_id))
}
