//! The command `dead-letters`: what was given up and why, and another try for it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use session_config::{QueueKind, Settings};
use session_message::Message;
use session_queue::{DeadLetter, Queue, ReceiveRequest, ReceivedMessage, VisibilityEntry, redrive};

use session_builder::{
    queues::{Queues, journal},
    redrive_request,
    screen::Screen,
};
use session_telemetry::{Escaped, Quoted};

use crate::cli::DeadLettersAction;

/// How long a dead letter is hidden from others while it is listed.
const LISTING_TIMEOUT: Duration = Duration::from_secs(30);

/// Carries out the command.
///
/// # Errors
/// What the queue, the disk or the running service says.
pub(crate) async fn dead_letters(settings: &Settings, screen: &Screen, action: &DeadLettersAction) -> Result<()> {
    match (action, settings.queue.kind) {
        (DeadLettersAction::List, QueueKind::Memory) => list_on_disk(settings, screen),
        (DeadLettersAction::List, QueueKind::Sqs) => list_in_sqs(settings, screen).await,
        (DeadLettersAction::Redrive { limit }, QueueKind::Memory) => {
            screen.print(&redrive_request::submit(&settings.service.state_dir, *limit).await?);
            Ok(())
        }
        (DeadLettersAction::Redrive { limit }, QueueKind::Sqs) => {
            let queues = Queues::open(settings).await?;
            let redriven = redrive(queues.dead_letters.as_ref(), queues.source.as_ref(), *limit).await?;
            screen.print(&format!("moved {}  refused {}", redriven.moved, redriven.refused));
            Ok(())
        }
    }
}

fn list_on_disk(settings: &Settings, screen: &Screen) -> Result<()> {
    let (letters, faults) = journal(settings)?.read_all()?;
    for letter in &letters {
        screen.print(&line(&letter.message_id, &letter.attributes, &letter.body));
    }
    for fault in &faults {
        screen.print(&format!("unreadable {}", Escaped(fault)));
    }
    screen.print(&format!("dead letters {}", letters.len()));
    Ok(())
}

async fn list_in_sqs(settings: &Settings, screen: &Screen) -> Result<()> {
    let queues = Queues::open(settings).await?;
    let mut listed: Vec<ReceivedMessage> = Vec::new();
    loop {
        let request = ReceiveRequest {
            max_messages: 10,
            wait: Duration::ZERO,
            visibility_timeout: Some(LISTING_TIMEOUT),
        };
        let letters = queues.dead_letters.receive(request).await?;
        if letters.is_empty() {
            break;
        }
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
