//! A message that waits for room: what it carries from one sending to the next, so that waiting costs it no attempt and
//! it is known for how long it has waited.

use std::{collections::BTreeMap, time::SystemTime};

use session_clock::{epoch_ms, from_epoch_ms};

/// Attempts that failed before the message was sent anew.
const ATTEMPTS: &str = "attempts";
/// When the message was sent for the first time, in milliseconds since 1970.
const FIRST_SENT_AT: &str = "first_sent_at";
/// The moment that the message waits for, in milliseconds since 1970. SQS delays a message by 15 minutes at most: one
/// that comes before its moment is sent anew without being tried.
const DEFERRED_UNTIL: &str = "deferred_until";

/// The names of all attributes that a deferral adds.
pub const DEFERRAL_ATTRIBUTES: [&str; 3] = [ATTEMPTS, FIRST_SENT_AT, DEFERRED_UNTIL];

/// What a message that was deferred carries. One that never was carries nothing, and reads as the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deferral {
    /// Attempts that failed before this sending.
    pub attempts: u32,
    /// When the message was sent for the first time.
    pub first_sent_at: Option<SystemTime>,
    /// The moment that it waits for.
    pub until: Option<SystemTime>,
}

impl Deferral {
    /// Reads a message's attributes. What cannot be read counts as not there: a message is not lost over it.
    #[must_use]
    pub fn from_attributes<'text>(attributes: impl IntoIterator<Item = (&'text str, &'text str)>) -> Self {
        let mut deferral = Self::default();
        for (name, value) in attributes {
            let time = || value.parse().ok().map(from_epoch_ms);
            match name {
                ATTEMPTS => deferral.attempts = value.parse().unwrap_or(0),
                FIRST_SENT_AT => deferral.first_sent_at = time(),
                DEFERRED_UNTIL => deferral.until = time(),
                _ => {}
            }
        }
        deferral
    }

    /// Writes this into a message's attributes, over what an earlier deferral wrote.
    pub fn write(&self, attributes: &mut BTreeMap<String, String>) {
        attributes.retain(|name, _| !DEFERRAL_ATTRIBUTES.contains(&name.as_str()));
        attributes.insert(ATTEMPTS.to_owned(), self.attempts.to_string());
        let times = [(FIRST_SENT_AT, self.first_sent_at), (DEFERRED_UNTIL, self.until)];
        attributes.extend(
            times
                .into_iter()
                .filter_map(|(name, at)| Some((name.to_owned(), epoch_ms(at?).to_string()))),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_takes_the_place_of_what_was_there() {
        let mut attributes = BTreeMap::from([(String::from("pda"), String::from("x"))]);
        for attempts in [1, 3] {
            let deferral = Deferral {
                attempts,
                first_sent_at: Some(from_epoch_ms(1_700_000_000_001)),
                until: Some(from_epoch_ms(1_700_000_900_000)),
            };
            deferral.write(&mut attributes);
            let read = attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(Deferral::from_attributes(read), deferral);
        }
        assert_eq!(attributes.len(), 4);
    }

    #[test]
    fn a_message_that_never_waited_and_one_that_cannot_be_read_have_lost_nothing() {
        assert_eq!(Deferral::from_attributes([]), Deferral::default());
        let broken = [
            ("attempts", "many"),
            ("first_sent_at", "yesterday"),
            ("deferred_until", ""),
        ];
        assert_eq!(Deferral::from_attributes(broken), Deferral::default());
    }
}
