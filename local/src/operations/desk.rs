//! Dead letters on the operator's desk: read, sorted, sent back or thrown away, in whatever queue they are.
//!
//! A queue shows a message by hiding it for a while. Letters that are only looked at are shown again at once; what a
//! crash leaves hidden shows itself when its time is over. No letter is deleted before its copy is in the queue.

use std::{
    collections::HashSet,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use session_admin::{Letter, LetterFilter, Moved, OperationError, Refusal};
use session_config::Settings;
use session_message::Message;
use session_queue::{
    DeadLetter, EntryError, Letter as KeptLetter, MessageId, QueueError, ReceiveRequest, ReceivedMessage,
    VisibilityEntry, redrive,
};
use session_store::{Chapter, Reader, Store, StoreError};
use solana_pubkey::Pubkey;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Mutex;

use crate::{
    history::{lost, purged, redriven},
    queues::{Queues, QueuesError},
};

/// As many as a queue gives or takes at once.
const BATCH: usize = 10;
/// How long a letter is hidden while it lies on the desk.
const HIDDEN: Duration = Duration::from_mins(2);
/// Long enough for a poll of SQS to ask all of its servers.
const POLL: Duration = Duration::from_secs(1);
/// Answers without a new letter that end a reading: depths are approximate.
const EMPTY_POLLS_MAX: u32 = 2;

/// The desk. One operation at a time.
#[derive(Clone)]
pub struct Desk {
    queues: Queues,
    /// Where it is told of what is done with the letters.
    histories: Option<Store>,
    busy: Arc<Mutex<()>>,
}

/// A letter, and the hold on it.
type Held = (Letter, ReceivedMessage);

impl Desk {
    /// A desk for the dead letters of these queues.
    #[must_use]
    pub fn new(queues: Queues) -> Self {
        Self {
            queues,
            histories: None,
            busy: Arc::default(),
        }
    }

    /// The desk for as long as no service runs that has one.
    ///
    /// # Errors
    /// [`QueuesError`].
    pub async fn open(settings: &Settings) -> Result<Self, QueuesError> {
        let queues = Queues::open(settings).await?;
        let histories = queues.store.clone().filter(|_| settings.history.keep.is_some());
        Ok(Self::new(queues).telling(histories))
    }

    /// The same, which tells of what is done with letters in the sessions' histories.
    #[must_use]
    pub fn telling(self, histories: Option<Store>) -> Self {
        Self { histories, ..self }
    }

    pub(crate) fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The letters that are meant, the oldest first.
    ///
    /// # Errors
    /// [`OperationError::Unavailable`] where the queue does not answer.
    pub async fn list(&self, filter: &LetterFilter) -> Result<Vec<Letter>, OperationError> {
        let _one_at_a_time = self.busy.lock().await;
        let (meant, others) = self.sort(filter).await?;
        self.show_again(meant.iter().chain(&others)).await?;
        Ok(meant.into_iter().map(|(letter, _)| letter).collect())
    }

    /// Sends the letters that are meant back to the queue, their attempts counted anew.
    ///
    /// # Errors
    /// [`OperationError::Unavailable`]; what was sent before stays sent.
    pub async fn redrive(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError> {
        let _one_at_a_time = self.busy.lock().await;
        let (meant, others) = self.sort(filter).await?;
        let mut moved = Moved {
            dry_run,
            matched: meant.len(),
            ..Moved::default()
        };
        // The queue takes back what it can see: of all that was hidden, those that are meant.
        self.show_again(&meant).await?;
        if !dry_run && !meant.is_empty() {
            let at = session_clock::now();
            let (source, letters) = (self.queues.source.as_ref(), self.queues.dead_letters.as_ref());
            let answer = redrive(letters, source, meant.len()).await.map_err(unavailable)?;
            moved.done = answer.moved;
            moved.refused = refusals(answer);
            // Where fewer were moved than it seems, nobody knows which.
            if moved.done + moved.refused.len() == meant.len() {
                self.tell(&meant, &moved.refused, |pda, id| redriven(pda, id, at)).await;
            }
        }
        self.show_again(&others).await?;
        Ok(moved)
    }

    /// Deletes the letters that are meant.
    ///
    /// # Errors
    /// [`OperationError::Unavailable`]; what was deleted before stays deleted.
    pub async fn purge(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, OperationError> {
        let _one_at_a_time = self.busy.lock().await;
        let (meant, others) = self.sort(filter).await?;
        self.show_again(&others).await?;
        let mut moved = Moved {
            dry_run,
            matched: meant.len(),
            ..Moved::default()
        };
        if dry_run {
            self.show_again(&meant).await?;
            return Ok(moved);
        }
        for letters in meant.chunks(BATCH) {
            let handles = letters.iter().map(|(_, held)| held.receipt_handle.clone()).collect();
            let outcome = self
                .queues
                .dead_letters
                .delete_batch(handles)
                .await
                .map_err(unavailable)?;
            for ((letter, _), answer) in letters.iter().zip(outcome.entries) {
                match answer {
                    Ok(()) => moved.done += 1,
                    Err(error) => moved.refused.push(Refusal {
                        id: letter.id.clone(),
                        reason: error.to_string(),
                    }),
                }
            }
        }
        let at = session_clock::now();
        self.tell(&meant, &moved.refused, |pda, id| purged(pda, id, at)).await;
        Ok(moved)
    }

    /// Tells of the letters that were not refused.
    async fn tell(&self, letters: &[Held], refused: &[Refusal], chapter: impl Fn(Pubkey, &str) -> Chapter) {
        let Some(histories) = &self.histories else { return };
        let refused: HashSet<&str> = refused.iter().map(|refusal| refusal.id.as_str()).collect();
        let done = letters
            .iter()
            .filter(|(letter, _)| !refused.contains(letter.id.as_str()));
        let chapters: Vec<Chapter> = done
            .filter_map(|(letter, _)| Some(chapter(letter.pda.as_ref()?.parse().ok()?, &letter.id)))
            .collect();
        let count = chapters.len();
        if let Err(error) = histories.tell(chapters).await {
            lost(count, &error);
        }
    }

    /// Takes every letter up, and sorts those that are meant from the others.
    async fn sort(&self, filter: &LetterFilter) -> Result<(Vec<Held>, Vec<Held>), OperationError> {
        let now = session_clock::now();
        let held = self.take_up().await.map_err(unavailable)?;
        let mut held: Vec<Held> = held.into_iter().map(|held| (letter(&kept(&held), now), held)).collect();
        held.sort_by_key(|(_, held)| held.sent_at);
        let (mut meant, mut others): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|(letter, _)| filter.matches(letter));
        others.extend(meant.drain(filter.limit().min(meant.len())..));
        Ok((meant, others))
    }

    async fn take_up(&self) -> Result<Vec<ReceivedMessage>, QueueError> {
        let queue = self.queues.dead_letters.as_ref();
        let depth = usize::try_from(queue.depth().await?.total()).unwrap_or(usize::MAX);
        let (mut held, mut seen, mut empty_polls) = (Vec::new(), HashSet::new(), 0);
        while held.len() < depth && empty_polls < EMPTY_POLLS_MAX {
            let request = ReceiveRequest {
                max_messages: BATCH,
                wait: POLL,
                visibility_timeout: Some(HIDDEN),
            };
            let mut letters = queue.receive(request).await?;
            letters.retain(|letter| seen.insert(letter.message_id.clone()));
            empty_polls = if letters.is_empty() { empty_polls + 1 } else { 0 };
            held.extend(letters);
        }
        Ok(held)
    }

    async fn show_again<'a>(&self, held: impl IntoIterator<Item = &'a Held>) -> Result<(), OperationError> {
        let entry = |(_, held): &Held| VisibilityEntry {
            receipt_handle: held.receipt_handle.clone(),
            timeout: Duration::ZERO,
        };
        let entries: Vec<VisibilityEntry> = held.into_iter().map(entry).collect();
        for batch in entries.chunks(BATCH) {
            let shown = self.queues.dead_letters.change_visibility_batch(batch.to_vec()).await;
            shown.map_err(unavailable)?;
        }
        Ok(())
    }
}

fn unavailable(error: impl std::fmt::Display) -> OperationError {
    OperationError::Unavailable(error.to_string())
}

fn refusals(redriven: session_queue::Redriven) -> Vec<Refusal> {
    let refusal = |(id, error): (MessageId, EntryError)| Refusal {
        id: id.as_str().to_owned(),
        reason: error.to_string(),
    };
    redriven.refused.into_iter().map(refusal).collect()
}

/// The letters in a store that are meant, the oldest first, for whoever only looks: whether or not anybody owns it, and
/// without anything that is written. None where there is no store.
///
/// # Errors
/// [`StoreError`].
pub async fn stored_letters(folder: &Path, filter: &LetterFilter) -> Result<Vec<Letter>, StoreError> {
    let reader = match Reader::open(folder).await {
        Ok(reader) => reader,
        Err(StoreError::NoStore { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let now = session_clock::now();
    let stored = reader.dead_letters(usize::MAX).await?.into_iter();
    // The copy of one that is under way again is in a queue that ended with its process.
    let letters = stored.map(|stored| letter(&stored.letter, now));
    Ok(letters
        .filter(|letter| filter.matches(letter))
        .take(filter.limit())
        .collect())
}

fn kept(held: &ReceivedMessage) -> KeptLetter {
    KeptLetter {
        message_id: held.message_id.clone(),
        sent_at: held.sent_at,
        receive_count: held.receive_count,
        attributes: held.attributes.clone(),
        body: held.body.clone(),
    }
}

/// What a person wants to know of a dead letter.
fn letter(held: &KeptLetter, now: SystemTime) -> Letter {
    let why = DeadLetter::from_attributes(&held.attributes).ok();
    let message = Message::from_json(&held.body).ok();
    let event = message.as_ref().map(|message| &message.event);
    let since = why.as_ref().map_or(held.sent_at, |why| why.last_at);
    let by_the_queue = || String::from("moved by the queue itself: every attempt ended without an answer");
    Letter {
        id: held.message_id.as_str().to_owned(),
        reason: why.as_ref().map(|why| why.reason.clone()),
        sentence: why.as_ref().map_or_else(by_the_queue, |why| why.sentence.clone()),
        session_id: event.map(|event| event.session_id.clone()),
        pda: event.map(|event| event.expected_pda.to_string()),
        owner: event.map(|event| event.owner.to_string()),
        attempts: why.as_ref().map(|why| why.attempts),
        last_signature: why.and_then(|why| why.last_signature),
        since: OffsetDateTime::from(since).format(&Rfc3339).ok(),
        age_secs: now.duration_since(since).ok().map(|age| age.as_secs()),
        body: held.body.clone(),
    }
}
