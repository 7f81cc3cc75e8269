//! Whose turn it is: visible messages by their groups, which are received in turn (AWS, "Amazon SQS fair queues"). Whoever
//! sends a thousand messages delays his own, and those of others by one message a round.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;

use crate::queue::MessageId;

/// When a message became visible, and its number.
pub(crate) type Key = (Instant, u64);

/// The visible messages of a queue, by group. Messages without a group are one group.
#[derive(Default)]
pub(crate) struct Turns {
    lines: HashMap<String, Line>,
    /// Groups that have messages, by when it was their turn last.
    order: BTreeSet<(u64, String)>,
    turn: u64,
}

/// The visible messages of one group, the longest visible first.
struct Line {
    messages: BTreeMap<Key, MessageId>,
    last_turn: u64,
}

impl Turns {
    /// A message has become visible. A group that had none takes its place behind all others.
    pub(crate) fn add(&mut self, group: &str, key: Key, message_id: MessageId) {
        if let Some(line) = self.lines.get_mut(group) {
            line.messages.insert(key, message_id);
            return;
        }
        self.turn += 1;
        let line = Line {
            messages: BTreeMap::from([(key, message_id)]),
            last_turn: self.turn,
        };
        self.order.insert((self.turn, group.to_owned()));
        self.lines.insert(group.to_owned(), line);
    }

    /// A message is not visible any more, if it was.
    pub(crate) fn remove(&mut self, group: &str, key: &Key) {
        let Some(line) = self.lines.get_mut(group) else { return };
        line.messages.remove(key);
        if line.messages.is_empty() {
            self.order.remove(&(line.last_turn, group.to_owned()));
            self.lines.remove(group);
        }
    }

    /// The longest visible message of the group whose turn it is. It stays visible: whoever takes it removes it.
    pub(crate) fn next(&mut self) -> Option<MessageId> {
        let (_, group) = self.order.pop_first()?;
        self.turn += 1;
        let line = self.lines.get_mut(&group)?;
        line.last_turn = self.turn;
        let message_id = line.messages.values().next().cloned();
        self.order.insert((self.turn, group));
        message_id
    }
}
