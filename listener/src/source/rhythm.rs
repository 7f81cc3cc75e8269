//! How often the chain's own listing is asked for: often, until the stream has shown that it is complete, and as long as
//! nothing speaks against it rarely.
//!
//! The stream alone proves nothing. What shows that it is complete are listings that find nothing which it had not
//! delivered, several in a row on the same connection; one that finds something takes the proof back.

use std::time::Duration;

use tokio::time::Instant;

use crate::status::ListenerStatus;

/// So many listings in a row have to find nothing new.
const PROVEN_BY: u32 = 3;
/// Delivered transactions that no listing has shown yet: more than these are listed at once, so that they can be forgotten.
const UNLISTED_MAX: usize = 500;
/// Where the credits' budget is used up, a listing that only confirms a complete stream may come later by so much of its time:
/// soon enough for whoever looks at the age of the last statement.
const LATER: f64 = 1.5;

/// When to list next.
#[derive(Debug)]
pub(crate) struct Rhythm {
    rarely: Duration,
    last: Option<Instant>,
    /// Listings in a row that found nothing new on one connection.
    clean: u32,
    connection: Option<u64>,
}

impl Rhythm {
    pub(crate) fn new(rarely: Duration) -> Self {
        Self {
            rarely,
            last: None,
            clean: 0,
            connection: None,
        }
    }

    /// A listing has ended; `owed` are the transactions that it found and the stream had not delivered.
    pub(crate) fn listed(&mut self, status: &ListenerStatus, owed: u64) {
        let connection = connection(status);
        self.clean = if owed == 0 && connection.is_some() && connection == self.connection {
            self.clean.saturating_add(1)
        } else {
            0
        };
        self.connection = connection;
        self.last = Some(Instant::now());
    }

    /// Whether the time has come for the next listing; `until_room` is how long the credits' budget would have it wait.
    pub(crate) fn is_due(&self, status: &ListenerStatus, unlisted: usize, until_room: Duration) -> bool {
        let Some(last) = self.last else { return true };
        if !self.is_proven(status) || unlisted > UNLISTED_MAX {
            return true;
        }
        let waited = last.elapsed();
        waited >= self.rarely && (until_room.is_zero() || waited >= self.rarely.mul_f64(LATER))
    }

    /// Whether the stream is known to be complete.
    pub(crate) fn is_proven(&self, status: &ListenerStatus) -> bool {
        self.clean >= PROVEN_BY && connection(status) == self.connection
    }
}

/// Which connection stands, if one does.
fn connection(status: &ListenerStatus) -> Option<u64> {
    status.connected.then_some(status.connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RARELY: Duration = Duration::from_mins(1);

    fn connected(connections: u64) -> ListenerStatus {
        ListenerStatus {
            connected: true,
            connections,
            ..ListenerStatus::default()
        }
    }

    fn proven() -> Rhythm {
        let mut rhythm = Rhythm::new(RARELY);
        for _ in 0..=PROVEN_BY {
            assert!(rhythm.is_due(&connected(1), 0, Duration::ZERO), "not proven yet");
            rhythm.listed(&connected(1), 0);
        }
        rhythm
    }

    #[tokio::test(start_paused = true)]
    async fn a_complete_stream_is_listed_rarely() {
        let rhythm = proven();
        assert!(!rhythm.is_due(&connected(1), 0, Duration::ZERO));
        tokio::time::advance(RARELY).await;
        assert!(rhythm.is_due(&connected(1), 0, Duration::ZERO));
        assert!(
            !rhythm.is_due(&connected(1), 0, Duration::from_secs(1)),
            "there is no room for it"
        );
        tokio::time::advance(RARELY / 2).await;
        assert!(
            rhythm.is_due(&connected(1), 0, Duration::from_secs(1)),
            "it has waited long enough"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_speaks_against_it_is_listed_often_at_once() {
        let mut rhythm = proven();
        assert!(
            rhythm.is_due(&ListenerStatus::default(), 0, Duration::MAX),
            "it is gone"
        );
        assert!(rhythm.is_due(&connected(2), 0, Duration::MAX), "it is another one");
        assert!(
            rhythm.is_due(&connected(1), UNLISTED_MAX + 1, Duration::MAX),
            "it has delivered much"
        );
        rhythm.listed(&connected(1), 1);
        for _ in 0..PROVEN_BY {
            assert!(rhythm.is_due(&connected(1), 0, Duration::MAX), "it owed something");
            rhythm.listed(&connected(1), 0);
        }
        assert!(!rhythm.is_due(&connected(1), 0, Duration::ZERO));
        rhythm.listed(&connected(2), 0);
        assert!(
            rhythm.is_due(&connected(2), 0, Duration::ZERO),
            "a new connection has shown nothing"
        );
    }
}
