//! The lease: of several listeners that keep their watermark in one store, one listens and the others stand by.
//!
//! It is an object beside the watermark's, replaced on the condition that nobody else has replaced it since. Whoever stands by
//! needs no clock that agrees with the holder's: it takes over what it has itself seen unchanged for as long as the lease
//! lasts. Two that listen at once, because the holder was cut off from the store alone, do no harm: they queue the same
//! sessions, which the handler pays for once.

use std::time::Duration;

use object_store::{PutMode, UpdateVersion, path::Path};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::checkpoint::{error::WatermarkError, place::Place};

/// The version that this code writes, and the only one that it reads.
const VERSION: u32 = 1;
/// A holder renews, and whoever stands by looks, so often while a lease lasts.
const LOOKS: u32 = 3;

/// A lease as one listener sees it.
#[derive(Debug)]
pub(crate) struct Lease {
    place: Place,
    path: Path,
    /// This listener, for nobody else to have the same.
    me: String,
    lasts: Duration,
    /// Of the object as this listener wrote it.
    version: Option<UpdateVersion>,
    /// What another listener wrote last, and since when it is seen.
    seen: Option<(UpdateVersion, Instant)>,
}

/// What a look at a lease has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// This listener holds it.
    Held {
        /// Whoever had it before and did not give it back.
        taken_from: Option<String>,
    },
    /// Another listener does; it is worth another look after so long.
    Elsewhere {
        /// The other listener.
        holder: String,
        /// When to look again.
        again: Duration,
    },
}

/// Why a lease is not held any longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    /// Another listener took it over.
    #[error("another listener has taken the lease over")]
    Lost,
    /// The store did not take it: this listener goes on, as whoever would take over has to see the same store.
    #[error(transparent)]
    Store(#[from] WatermarkError),
}

/// The JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    /// `None`: given back.
    holder: Option<String>,
    lasts_ms: u64,
    /// For people: it makes each renewal another object.
    renewal: u64,
}

impl Lease {
    /// The lease that is this object, which can be replaced on a condition.
    pub(super) fn new(place: Place, path: Path, me: String, lasts: Duration) -> Self {
        Self {
            place,
            path,
            me,
            lasts,
            version: None,
            seen: None,
        }
    }

    /// How often it is renewed, or looked at.
    pub(crate) fn interval(&self) -> Duration {
        self.lasts / LOOKS
    }

    /// Looks who holds it, and takes it if nobody does any more.
    ///
    /// # Errors
    /// [`WatermarkError`] if the store cannot be asked.
    pub(crate) async fn look(&mut self) -> Result<Look, WatermarkError> {
        let Some((text, version)) = self.place.get(&self.path).await? else {
            return self.take(PutMode::Create, None).await;
        };
        let document = self.parse(&text)?;
        let holder = match document.holder {
            // An answer that was lost on its way made it this listener's.
            Some(holder) if holder != self.me => holder,
            _ => return self.take(PutMode::Update(version), None).await,
        };
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                let now = Instant::now();
                self.seen = Some((version.clone(), now));
                now
            }
        };
        let left = Duration::from_millis(document.lasts_ms).saturating_sub(since.elapsed());
        if left.is_zero() {
            return self.take(PutMode::Update(version), Some(holder)).await;
        }
        let again = left.min(self.interval());
        Ok(Look::Elsewhere { holder, again })
    }

    /// Goes on holding it.
    ///
    /// # Errors
    /// [`RenewError`].
    pub(crate) async fn renew(&mut self) -> Result<(), RenewError> {
        let Some(version) = self.version.clone() else {
            return Err(RenewError::Lost);
        };
        match self.put(PutMode::Update(version), Some(self.me.clone())).await {
            Ok(true) => Ok(()),
            // The answer to the last renewal may have been lost.
            Ok(false) => match self.look().await? {
                Look::Held { .. } => Ok(()),
                Look::Elsewhere { .. } => Err(RenewError::Lost),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Gives it back, so that whoever stands by need not wait.
    ///
    /// # Errors
    /// [`WatermarkError`] if the store does not take it: then it lasts as long as it lasts.
    pub(crate) async fn give_back(&mut self) -> Result<(), WatermarkError> {
        if let Some(version) = self.version.clone() {
            self.put(PutMode::Update(version), None).await?;
            self.version = None;
        }
        Ok(())
    }

    async fn take(&mut self, mode: PutMode, taken_from: Option<String>) -> Result<Look, WatermarkError> {
        if self.put(mode, Some(self.me.clone())).await? {
            self.seen = None;
            return Ok(Look::Held { taken_from });
        }
        // Somebody else was faster; who, the next look will show.
        self.seen = None;
        Ok(Look::Elsewhere {
            holder: String::from("another listener"),
            again: self.interval(),
        })
    }

    /// False if somebody else has put it in between.
    async fn put(&mut self, mode: PutMode, holder: Option<String>) -> Result<bool, WatermarkError> {
        let document = Document {
            version: VERSION,
            holder,
            lasts_ms: u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX),
            renewal: session_clock::random(),
        };
        let text = serde_json::to_string_pretty(&document).map_err(|error| self.malformed(&error))?;
        let written = self.place.put(&self.path, text, mode).await?;
        let done = written.is_some();
        self.version = written.or(self.version.take());
        Ok(done)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Document, WatermarkError> {
        let document: Document = serde_json::from_slice(bytes).map_err(|error| self.malformed(&error))?;
        if document.version != VERSION {
            return Err(WatermarkError::Version {
                path: self.path.to_string(),
                found: document.version,
                known: VERSION,
            });
        }
        Ok(document)
    }

    fn malformed(&self, error: &serde_json::Error) -> WatermarkError {
        WatermarkError::Malformed {
            path: self.path.to_string(),
            detail: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    const LASTS: Duration = Duration::from_secs(15);

    fn place() -> Place {
        Place::Objects {
            store: Arc::new(InMemory::new()),
            conditional: true,
        }
    }

    fn lease(place: &Place, me: &str) -> Lease {
        Lease::new(place.clone(), Path::from("lease.json"), me.to_owned(), LASTS)
    }

    fn held_from(holder: &str) -> Look {
        Look::Held {
            taken_from: Some(holder.to_owned()),
        }
    }

    const HELD: Look = Look::Held { taken_from: None };

    /// Looks again when it is told to, until it has the lease.
    async fn stand_by(lease: &mut Lease) -> (Look, Duration) {
        let since = Instant::now();
        loop {
            match lease.look().await.unwrap() {
                held @ Look::Held { .. } => return (held, since.elapsed()),
                Look::Elsewhere { again, .. } => tokio::time::sleep(again).await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_holds_it_as_long_as_it_renews() {
        let store = place();
        let (mut first, mut second) = (lease(&store, "first"), lease(&store, "second"));
        assert_eq!(first.look().await.unwrap(), HELD);
        for _ in 0..20 {
            let look = second.look().await.unwrap();
            assert!(
                matches!(look, Look::Elsewhere { ref holder, .. } if holder == "first"),
                "{look:?}"
            );
            tokio::time::advance(first.interval()).await;
            first.renew().await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_renewing_loses_it_within_a_lease_and_a_look() {
        let store = place();
        let (mut first, mut second) = (lease(&store, "first"), lease(&store, "second"));
        first.look().await.unwrap();
        second.look().await.unwrap();
        first.renew().await.unwrap();
        let (look, took) = stand_by(&mut second).await;
        assert_eq!(look, held_from("first"));
        assert!(took >= LASTS, "{took:?}: it was still held");
        assert!(took <= LASTS + second.interval(), "{took:?}");
        assert!(matches!(first.renew().await, Err(RenewError::Lost)));
        let look = first.look().await.unwrap();
        assert!(
            matches!(look, Look::Elsewhere { ref holder, .. } if holder == "second"),
            "{look:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_is_taken_at_the_next_look() {
        let store = place();
        let (mut first, mut second) = (lease(&store, "first"), lease(&store, "second"));
        first.look().await.unwrap();
        second.look().await.unwrap();
        first.give_back().await.unwrap();
        assert_eq!(second.look().await.unwrap(), HELD);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_take_it_over_one_gets_it() {
        let store = place();
        let mut dead = lease(&store, "dead");
        dead.look().await.unwrap();
        let (mut second, mut third) = (lease(&store, "second"), lease(&store, "third"));
        second.look().await.unwrap();
        third.look().await.unwrap();
        tokio::time::advance(LASTS).await;
        assert_eq!(second.look().await.unwrap(), held_from("dead"));
        assert!(matches!(third.look().await.unwrap(), Look::Elsewhere { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_whose_answer_was_lost_is_ones_own() {
        let store = place();
        let mut first = lease(&store, "first");
        first.look().await.unwrap();
        let version = first.version.clone();
        first.renew().await.unwrap();
        first.version = version;
        first.renew().await.unwrap();
    }
}
