//! Dead letters as the API shows and chooses them.

use serde::{Deserialize, Serialize};

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The id of the message.
    pub id: String,
    /// Why it was given up: a code of `docs/errors`, or nothing where the queue itself gave it up.
    pub reason: Option<String>,
    /// One sentence for a person.
    pub sentence: String,
    /// The session that it asks for, where the message can be read.
    pub session_id: Option<String>,
    /// The address that it asks for.
    pub pda: Option<String>,
    /// Whose session it is.
    pub owner: Option<String>,
    /// Attempts that were made.
    pub attempts: Option<u32>,
    /// The last transaction that was sent for it.
    pub last_signature: Option<String>,
    /// When it became a dead letter, RFC 3339.
    pub since: Option<String>,
    /// For how many seconds it is one.
    pub age_secs: Option<u64>,
    /// The message as it is in the queue.
    pub body: String,
}

/// Which letters are meant: those to which everything applies that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LetterFilter {
    /// Any of these message ids; empty: all.
    pub ids: Vec<String>,
    /// With this reason; `unknown` for those that the queue gave up by itself.
    pub reason: Option<String>,
    /// For this session id, or this address.
    pub session: Option<String>,
    /// A dead letter for at least so long.
    pub older_than_secs: Option<u64>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// The reason of letters that have none.
const UNKNOWN: &str = "unknown";

impl LetterFilter {
    /// Whether a letter is meant, apart from how many.
    #[must_use]
    pub fn matches(&self, letter: &Letter) -> bool {
        let Self {
            ids,
            reason,
            session,
            older_than_secs,
            limit: _,
        } = self;
        let is = |wanted: &Option<String>, found: &Option<String>| wanted.as_ref() == found.as_ref();
        (ids.is_empty() || ids.contains(&letter.id))
            && reason
                .as_deref()
                .is_none_or(|reason| reason == letter.reason.as_deref().unwrap_or(UNKNOWN))
            && (session.is_none() || is(session, &letter.session_id) || is(session, &letter.pda))
            && older_than_secs.is_none_or(|age| letter.age_secs.is_some_and(|found| found >= age))
    }

    /// How many at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

/// What became of the letters that were meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Whether nothing was done, but told.
    pub dry_run: bool,
    /// Letters that were meant.
    pub matched: usize,
    /// Of them, those that are back in the queue, or gone.
    pub done: usize,
    /// Those that stayed, and why.
    pub refused: Vec<Refusal>,
}

/// A letter that stayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The id of the message.
    pub id: String,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            id: String::from("1"),
            reason: None,
            sentence: String::new(),
            session_id: Some(String::from("s")),
            pda: Some(String::from("p")),
            owner: None,
            attempts: None,
            last_signature: None,
            since: None,
            age_secs: Some(60),
            body: String::new(),
        }
    }

    #[test]
    fn a_letter_is_meant_if_everything_applies() {
        let text = |text: &str| Some(String::from(text));
        let all = LetterFilter::default();
        assert!(all.matches(&letter()));
        let yes = [
            LetterFilter {
                ids: vec![String::from("1")],
                ..all.clone()
            },
            LetterFilter {
                reason: text("unknown"),
                ..all.clone()
            },
            LetterFilter {
                session: text("p"),
                ..all.clone()
            },
            LetterFilter {
                session: text("s"),
                older_than_secs: Some(60),
                ..all.clone()
            },
        ];
        let no = [
            LetterFilter {
                ids: vec![String::from("2")],
                ..all.clone()
            },
            LetterFilter {
                reason: text("bad_body"),
                ..all.clone()
            },
            LetterFilter {
                session: text("x"),
                ..all.clone()
            },
            LetterFilter {
                session: text("s"),
                older_than_secs: Some(61),
                ..all
            },
        ];
        assert!(yes.iter().all(|filter| filter.matches(&letter())), "{yes:?}");
        assert!(no.iter().all(|filter| !filter.matches(&letter())), "{no:?}");
    }
}
