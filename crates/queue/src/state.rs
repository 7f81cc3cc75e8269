//! The messages of a queue in memory, and how they pass from visible to in flight to gone. No clock, no waiting: every
//! step takes the time it happens at.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    time::{Duration, SystemTime},
};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    entry::{MESSAGE_GROUP_ID, VISIBILITY_TIMEOUT_MAX},
    error::EntryError,
    queue::{Depth, MessageId, ReceiptHandle, ReceivedMessage},
    turns::{Key, Turns},
};

/// All messages of one queue.
#[derive(Default)]
pub(crate) struct State {
    messages: HashMap<MessageId, Stored>,
    /// Every message by when it is visible; those in flight are here with the end of their visibility timeout.
    by_visibility: BTreeMap<Key, MessageId>,
    sequence: u64,
    /// The messages that were visible at the last look, and whose turn it is.
    turns: Turns,
    looked_at: Option<Instant>,
}

/// One message.
pub(crate) struct Stored {
    pub(crate) message_id: MessageId,
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) sent_at: SystemTime,
    pub(crate) receive_count: u32,
    pub(crate) settle: Option<oneshot::Sender<()>>,
    pub(crate) origin: Origin,
    first_received_at: Option<SystemTime>,
    key: Key,
    receipt: Option<Receipt>,
}

/// What a store keeps of a message, to be removed once the message is done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing: its sender remembers it.
    Sent,
    /// The message itself, which was deferred.
    Deferred,
    /// A dead letter: the message itself, or what it is a copy of.
    Letter(MessageId),
}

/// The last receive of a message.
struct Receipt {
    handle: ReceiptHandle,
    received_at: Instant,
}

/// When something happens, on both clocks.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) system: SystemTime,
}

impl Stored {
    pub(crate) fn new(
        message_id: MessageId,
        body: String,
        attributes: BTreeMap<String, String>,
        sent_at: SystemTime,
        origin: Origin,
    ) -> Self {
        let key = (Instant::now(), 0);
        let (receive_count, first_received_at, receipt) = (0, None, None);
        Self {
            message_id,
            body,
            attributes,
            sent_at,
            receive_count,
            settle: None,
            origin,
            first_received_at,
            key,
            receipt,
        }
    }

    /// Whose turn it takes (`MessageGroupId`); empty where it belongs to no group.
    pub(crate) fn group(&self) -> &str {
        self.attributes.get(MESSAGE_GROUP_ID).map_or("", String::as_str)
    }

    /// The same message as a dead letter, which nobody waits for.
    pub(crate) fn letter(&self) -> Self {
        let (body, attributes) = (self.body.clone(), self.attributes.clone());
        let origin = Origin::Letter(self.message_id.clone());
        let copy = Self::new(self.message_id.clone(), body, attributes, self.sent_at, origin);
        let (receive_count, first_received_at) = (self.receive_count, self.first_received_at);
        Self {
            receive_count,
            first_received_at,
            ..copy
        }
    }
}

impl State {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn contains(&self, message_id: &MessageId) -> bool {
        self.messages.contains_key(message_id)
    }

    /// Messages that a store has as deferred.
    pub(crate) fn deferred(&self) -> usize {
        let deferred = self
            .messages
            .values()
            .filter(|message| message.origin == Origin::Deferred);
        deferred.count()
    }

    /// Adds a message that is visible from an instant on.
    pub(crate) fn insert(&mut self, mut message: Stored, visible_at: Instant) {
        message.key = self.next_key(visible_at);
        self.by_visibility.insert(message.key, message.message_id.clone());
        if self.looked_at.is_some_and(|looked_at| visible_at <= looked_at) {
            self.turns.add(message.group(), message.key, message.message_id.clone());
        }
        self.messages.insert(message.message_id.clone(), message);
    }

    /// Takes out up to `max_messages` that were visible and already received `max_receive_count` times: SQS moves a
    /// message to the dead-letter queue at the receive that would be one too many.
    pub(crate) fn take_exhausted(&mut self, now: Instant, max_receive_count: u32, max_messages: usize) -> Vec<Stored> {
        let exhausted: Vec<MessageId> = self
            .visible(now)
            .filter(|message| message.receive_count >= max_receive_count)
            .take(max_messages)
            .map(|message| message.message_id.clone())
            .collect();
        exhausted
            .iter()
            .filter_map(|message_id| self.remove(message_id))
            .collect()
    }

    /// Takes out the longest visible message.
    pub(crate) fn take_visible(&mut self, now: Instant) -> Option<Stored> {
        let message_id = self.visible(now).next()?.message_id.clone();
        self.remove(&message_id)
    }

    /// Receives up to `max_messages` visible messages: the longest visible of each group, in turn.
    pub(crate) fn receive(
        &mut self,
        now: Moment,
        max_messages: usize,
        visibility_timeout: Duration,
    ) -> Vec<ReceivedMessage> {
        self.look(now.instant);
        let mut received = Vec::with_capacity(max_messages);
        while received.len() < max_messages {
            let Some(message_id) = self.turns.next() else { break };
            received.extend(self.hide(&message_id, now, visibility_timeout));
        }
        received
    }

    /// Gives those messages a turn that have become visible since the last look.
    fn look(&mut self, now: Instant) {
        // Whoever looked a moment later may have been faster.
        if self.looked_at.is_some_and(|looked_at| now <= looked_at) {
            return;
        }
        let since = self
            .looked_at
            .map_or(Bound::Unbounded, |at| Bound::Excluded((at, u64::MAX)));
        for (key, message_id) in self.by_visibility.range((since, Bound::Included((now, u64::MAX)))) {
            if let Some(message) = self.messages.get(message_id) {
                self.turns.add(message.group(), *key, message_id.clone());
            }
        }
        self.looked_at = Some(now);
    }

    /// When the next message becomes visible; now or earlier if one is.
    pub(crate) fn next_visible_at(&self) -> Option<Instant> {
        self.by_visibility.keys().next().map(|(visible_at, _)| *visible_at)
    }

    /// Sets the visibility timeout of a message in flight anew.
    pub(crate) fn change_visibility(
        &mut self,
        handle: &ReceiptHandle,
        now: Instant,
        timeout: Duration,
    ) -> Result<(), EntryError> {
        let message_id = message_id_of(handle)?;
        let not_in_flight = || EntryError::NotInFlight {
            handle: handle.as_str().to_owned(),
        };
        let message = self.messages.get(&message_id).ok_or_else(not_in_flight)?;
        let receipt = message
            .receipt
            .as_ref()
            .filter(|receipt| receipt.handle == *handle)
            .ok_or_else(not_in_flight)?;
        if message.key.0 <= now {
            return Err(not_in_flight());
        }
        if now + timeout > receipt.received_at + VISIBILITY_TIMEOUT_MAX {
            return Err(EntryError::VisibilityTooLong { timeout });
        }
        self.reschedule(&message_id, now + timeout);
        Ok(())
    }

    /// Deletes a message by its newest handle, even after its visibility timeout; an older handle deletes nothing,
    /// and neither is an error (AWS, "`DeleteMessage`").
    pub(crate) fn delete(&mut self, handle: &ReceiptHandle) -> Result<Option<Stored>, EntryError> {
        let message_id = message_id_of(handle)?;
        Ok(match self.by_newest_handle(&message_id, handle) {
            Some(_) => self.remove(&message_id),
            None => None,
        })
    }

    /// What a store keeps of the message that [`State::delete`] would delete.
    pub(crate) fn origin(&self, handle: &ReceiptHandle) -> Result<Option<(MessageId, Origin)>, EntryError> {
        let message_id = message_id_of(handle)?;
        let message = self.by_newest_handle(&message_id, handle);
        Ok(message.map(|message| (message.message_id.clone(), message.origin.clone())))
    }

    fn by_newest_handle(&self, message_id: &MessageId, handle: &ReceiptHandle) -> Option<&Stored> {
        let message = self.messages.get(message_id)?;
        let newest = message.receipt.as_ref()?;
        (newest.handle == *handle).then_some(message)
    }

    pub(crate) fn depth(&self, now: Instant) -> Depth {
        let mut depth = Depth::default();
        for message in self.messages.values() {
            let counter = match (message.key.0 <= now, &message.receipt) {
                (true, _) => &mut depth.visible,
                (false, Some(_)) => &mut depth.in_flight,
                (false, None) => &mut depth.delayed,
            };
            *counter += 1;
        }
        depth
    }

    fn visible(&self, now: Instant) -> impl Iterator<Item = &Stored> {
        let ids = self
            .by_visibility
            .range(..=(now, u64::MAX))
            .map(|(_, message_id)| message_id);
        ids.filter_map(|message_id| self.messages.get(message_id))
    }

    fn hide(&mut self, message_id: &MessageId, now: Moment, visibility_timeout: Duration) -> Option<ReceivedMessage> {
        self.reschedule(message_id, now.instant + visibility_timeout);
        let sequence = self.sequence;
        let message = self.messages.get_mut(message_id)?;
        let handle = ReceiptHandle::new(format!("{message_id}#{sequence}"));
        message.receive_count += 1;
        message.receipt = Some(Receipt {
            handle: handle.clone(),
            received_at: now.instant,
        });
        Some(ReceivedMessage {
            message_id: message_id.clone(),
            receipt_handle: handle,
            body: message.body.clone(),
            attributes: message.attributes.clone(),
            receive_count: message.receive_count,
            first_received_at: *message.first_received_at.get_or_insert(now.system),
            sent_at: message.sent_at,
        })
    }

    fn remove(&mut self, message_id: &MessageId) -> Option<Stored> {
        let message = self.messages.remove(message_id)?;
        self.by_visibility.remove(&message.key);
        self.turns.remove(message.group(), &message.key);
        Some(message)
    }

    fn reschedule(&mut self, message_id: &MessageId, visible_at: Instant) {
        let key = self.next_key(visible_at);
        if let Some(message) = self.messages.get_mut(message_id) {
            self.by_visibility.remove(&message.key);
            self.turns.remove(message.group(), &message.key);
            message.key = key;
            self.by_visibility.insert(key, message_id.clone());
            if self.looked_at.is_some_and(|looked_at| visible_at <= looked_at) {
                self.turns.add(message.group(), key, message_id.clone());
            }
        }
    }

    fn next_key(&mut self, visible_at: Instant) -> Key {
        self.sequence += 1;
        (visible_at, self.sequence)
    }
}

/// A handle is the message's id and the number of its receive.
fn message_id_of(handle: &ReceiptHandle) -> Result<MessageId, EntryError> {
    match handle.as_str().split_once('#') {
        Some((message_id, number)) if number.parse::<u64>().is_ok() => Ok(MessageId::new(message_id.to_owned())),
        _ => Err(EntryError::BadReceiptHandle {
            handle: handle.as_str().to_owned(),
        }),
    }
}
