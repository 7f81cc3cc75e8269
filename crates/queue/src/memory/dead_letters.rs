//! To the dead letters and back: a message is in one of the two places at every instant.

use tokio::time::Instant;

use super::{InMemoryQueue, Role};
use crate::{
    error::QueueError,
    queue::MessageId,
    redrive::{Redriven, anew},
    state::{Origin, Stored},
};

/// A message on its way to another queue. It returns to its own if the move fails, or is broken off because its caller
/// was: whoever polls may stop at any instant.
struct Moving<'queue> {
    queue: &'queue InMemoryQueue,
    message: Option<Stored>,
}

impl Moving<'_> {
    fn done(mut self) -> Option<Stored> {
        self.message.take()
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.queue.state().insert(message, Instant::now());
            self.queue.changed.notify_waiters();
        }
    }
}

impl InMemoryQueue {
    /// Moves the messages that this receive would be one too many for.
    pub(super) async fn move_exhausted(&self, max_messages: usize) {
        let Role::Source {
            dead_letters,
            max_receive_count,
            ..
        } = &self.role
        else {
            return;
        };
        for moving in self.take_exhausted(*max_receive_count, max_messages) {
            let Some(message) = &moving.message else { continue };
            let message_id = message.message_id.clone();
            let moved = match dead_letters.accept(message.letter(), Instant::now()).await {
                Ok(Ok(())) => match moving.done() {
                    Some(message) => self.settle(message).await,
                    None => Ok(()),
                },
                Ok(Err(error)) => {
                    tracing::error!(%message_id, %error, "message cannot move to the dead-letter queue; it stays");
                    continue;
                }
                Err(error) => Err(error),
            };
            if let Err(error) = moved {
                tracing::error!(%message_id, %error, "message did not move to the dead-letter queue as it should");
            }
        }
    }

    fn take_exhausted(&self, max_receive_count: u32, max_messages: usize) -> Vec<Moving<'_>> {
        let exhausted = self
            .state()
            .take_exhausted(Instant::now(), max_receive_count, max_messages);
        exhausted.into_iter().map(|message| self.moving(message)).collect()
    }

    fn moving(&self, message: Stored) -> Moving<'_> {
        Moving {
            queue: self,
            message: Some(message),
        }
    }

    /// Sends copies of up to `limit` letters that wait now.
    pub(super) async fn redrive_letters(&self, limit: usize) -> Result<Redriven, QueueError> {
        let mut redriven = Redriven::default();
        let Role::Source { dead_letters, .. } = &self.role else {
            return Ok(redriven);
        };
        // What becomes a dead letter meanwhile waits for the next time.
        let waiting = dead_letters.state().depth(Instant::now()).visible;
        let limit = limit.min(usize::try_from(waiting).unwrap_or(usize::MAX));
        while redriven.seen() < limit && self.redrive_one(dead_letters, &mut redriven).await? {}
        Ok(redriven)
    }

    /// Sends a copy of the longest waiting letter. The letter stays in the store, marked, until the copy is done with.
    async fn redrive_one(&self, dead_letters: &Self, redriven: &mut Redriven) -> Result<bool, QueueError> {
        let taken = dead_letters.state().take_visible(Instant::now());
        let Some(moving) = taken.map(|letter| dead_letters.moving(letter)) else {
            return Ok(false);
        };
        let Some(letter) = &moving.message else {
            return Ok(false);
        };
        let letter_id = letter.message_id.clone();
        let (body, attributes) = (letter.body.clone(), anew(letter.attributes.clone()));
        let marked = self.store.mark_redriven(&letter_id, Some(session_clock::now())).await;
        marked.map_err(|source| self.store_failed(source))?;
        let message_id = MessageId::new(session_clock::uuid().to_string());
        let origin = Origin::Letter(letter_id.clone());
        let copy = Stored::new(message_id, body, attributes, session_clock::now(), origin);
        match self.accept(copy, Instant::now()).await? {
            Ok(()) => {
                moving.done();
                redriven.moved += 1;
            }
            Err(error) => {
                redriven.refused.push((letter_id.clone(), error));
                let unmarked = self.store.mark_redriven(&letter_id, None).await;
                unmarked.map_err(|source| self.store_failed(source))?;
            }
        }
        Ok(true)
    }
}
