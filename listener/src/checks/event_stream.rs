//! Events arrive: by notifications, or by the listing, which alone proves that none was missed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health, often};
use time::OffsetDateTime;
use tokio::{sync::watch, time::Instant};

use super::pulse::{Operation, Pulse};
use crate::status::ListenerStatus;

/// The reason by which the quarantine has what is listed and not given.
const WITHHELD: &str = "withheld";

/// What a status says about the stream.
type Verdict = Result<Health, CheckFailure>;

/// The listener hears the chain, or at least gets ahead in its listing.
pub struct EventStream {
    status: watch::Receiver<ListenerStatus>,
    /// Where events go that have arrived.
    arrivals: Arc<Pulse>,
    /// How long a broken link may be made up for by what still arrives.
    patience: Duration,
    /// The watermark moves at least so often where the listing works.
    listing_interval: Duration,
    memory: Mutex<Memory>,
}

/// What a single status does not tell.
#[derive(Debug)]
struct Memory {
    begun_at: OffsetDateTime,
    /// What the last check said: a change before anybody waits for one is a change all the same.
    seen: Option<Verdict>,
    watermark: Option<(u64, Instant)>,
    stalled_since: Option<Instant>,
    notifications: Notifications,
    /// Transactions that nobody gives, and since when there is one more of them than before.
    withheld: (usize, Option<Instant>),
}

/// What is known of the live stream.
#[derive(Clone, Copy, Debug)]
enum Notifications {
    Never,
    Come,
    EndedAt(Instant),
}

impl EventStream {
    /// A check of the listener that tells this status and puts its events into the queue with this pulse.
    #[must_use]
    pub fn new(
        status: watch::Receiver<ListenerStatus>,
        arrivals: Arc<Pulse>,
        patience: Duration,
        listing_interval: Duration,
    ) -> Self {
        Self {
            status,
            arrivals,
            patience,
            listing_interval,
            memory: Mutex::new(Memory::new(session_clock::now_utc())),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event has arrived since a moment, and lately.
    fn arrived_since(&self, since: Instant) -> bool {
        self.arrived_lately() && self.arrivals.worked_at(Operation::Send).is_some_and(|at| at >= since)
    }

    fn arrived_lately(&self) -> bool {
        let arrived_at = self.arrivals.worked_at(Operation::Send);
        arrived_at.is_some_and(|at| at.elapsed() < self.patience)
    }

    fn verdict(&self, status: &ListenerStatus) -> Verdict {
        let mut memory = self.memory();
        memory.note(status, Instant::now());
        let fail = |reason: String| Err(CheckFailure::new(reason));
        let warn = |reason: String| Ok(Health::Degraded(reason));
        if let Some(holder) = &status.standby {
            // All that whoever stands by has to do is to see who listens.
            return status.stalled.as_ref().map_or(Ok(Health::Good), |reason| {
                fail(format!(
                    "this listener stands by for {holder} and does not see it any more: {reason}"
                ))
            });
        }
        if let (Some(reason), Some(since)) = (&status.stalled, memory.stalled_since) {
            let reason = format!("the listener does not get ahead: {reason}");
            return if status.connected && self.arrived_since(since) {
                warn(format!("{reason}; notifications still bring events"))
            } else {
                fail(reason)
            };
        }
        if status.is_unacknowledged() {
            let limit = status.age_limits.acknowledgement;
            return fail(format!(
                "messages wait, and the queue has acknowledged none for {limit:?}"
            ));
        }
        if let (count, Some(since)) = memory.withheld
            && self.arrivals.worked_at(Operation::Send).is_none_or(|at| at < since)
        {
            return fail(format!(
                "{count} listed transactions cannot be had, and nothing else has arrived since the last of them"
            ));
        }
        if !status.connected {
            let reason = "no notifications come in; the listener is reconnecting";
            let limit = self.patience.max(3 * self.listing_interval);
            // A complete stream is hardly listed: the listing that begins where it ends has as long as every other.
            let begins = matches!(memory.notifications, Notifications::EndedAt(at) if at.elapsed() < limit);
            return if begins || memory.lists_lately(limit) || self.arrived_lately() {
                warn(format!(
                    "{reason}, and its listing finds events meanwhile, seconds late"
                ))
            } else {
                fail(reason.to_owned())
            };
        }
        if status.is_incomplete() {
            let limit = status.age_limits.completeness;
            return warn(format!(
                "notifications come in, and nothing states for {limit:?} that the listing is complete any further"
            ));
        }
        if let Some(reason) = &status.watermark_error {
            return warn(format!(
                "the watermark cannot be saved: {reason}; a restart reads from where it was saved last"
            ));
        }
        if status.backpressure {
            return warn("the queue is slow; the listener waits for it".to_owned());
        }
        Ok(Health::Good)
    }
}

impl Memory {
    fn new(begun_at: OffsetDateTime) -> Self {
        Self {
            begun_at,
            seen: None,
            watermark: None,
            stalled_since: None,
            notifications: Notifications::Never,
            withheld: (0, None),
        }
    }

    fn note(&mut self, status: &ListenerStatus, now: Instant) {
        let stalled_since = self.stalled_since.unwrap_or(now);
        self.stalled_since = status.stalled.is_some().then_some(stalled_since);
        self.notifications = match self.notifications {
            _ if status.connected => Notifications::Come,
            Notifications::Come => Notifications::EndedAt(now),
            as_before => as_before,
        };
        let withheld = status.quarantine.by_reason.get(WITHHELD).copied().unwrap_or_default();
        let (before, last) = self.withheld;
        // What an earlier process has put there says nothing of what arrives now.
        let inherited = before == 0
            && status
                .quarantine
                .oldest_since
                .is_some_and(|since| since < self.begun_at);
        let last = if withheld > before && !inherited {
            Some(now)
        } else {
            last
        };
        self.withheld = (withheld, last.filter(|_| withheld > 0));
        if let Some(slot) = status.watermark_slot
            && self.watermark.is_none_or(|(before, _)| before != slot)
        {
            self.watermark = Some((slot, now));
        }
    }

    /// Whether the watermark has moved within this time.
    fn lists_lately(&self, limit: Duration) -> bool {
        self.watermark.is_some_and(|(_, moved_at)| moved_at.elapsed() < limit)
    }
}

#[async_trait]
impl Check for EventStream {
    fn name(&self) -> &'static str {
        "event_stream"
    }

    fn every(&self, configured: Duration) -> Duration {
        often(configured)
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let status = self.status.borrow().clone();
        let verdict = self.verdict(&status);
        self.memory().seen = Some(verdict.clone());
        verdict
    }

    async fn changed(&self) {
        // Slots pass all the time; only what changes the verdict is worth a look.
        let is_new = |status: &ListenerStatus| {
            let verdict = self.verdict(status);
            self.memory().seen.as_ref() != Some(&verdict)
        };
        if self.status.clone().wait_for(is_new).await.is_err() {
            // A listener that has ended says nothing new.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(15);

    struct Stream {
        status: watch::Sender<ListenerStatus>,
        arrivals: Arc<Pulse>,
        check: EventStream,
    }

    impl Stream {
        fn new() -> Self {
            let status = watch::Sender::new(ListenerStatus {
                connected: true,
                watermark_slot: Some(1),
                ..ListenerStatus::default()
            });
            let arrivals = Arc::<Pulse>::default();
            let check = EventStream::new(
                status.subscribe(),
                Arc::clone(&arrivals),
                PATIENCE,
                Duration::from_secs(5),
            );
            Self {
                status,
                arrivals,
                check,
            }
        }

        fn change(&self, change: impl FnOnce(&mut ListenerStatus)) {
            self.status.send_modify(change);
        }

        /// "good", "degraded" or "failed".
        async fn word(&self) -> &'static str {
            match self.check.check().await {
                Ok(Health::Good) => "good",
                Ok(Health::Degraded(_)) => "degraded",
                Err(_) => "failed",
            }
        }
    }

    async fn after(secs: u64) {
        tokio::time::advance(Duration::from_secs(secs)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_stalls_is_a_warning_only_while_events_arrive() {
        let stream = Stream::new();
        assert_eq!(stream.word().await, "good");
        stream.change(|status| status.stalled = Some(String::from("no answer")));
        assert_eq!(stream.word().await, "failed");
        stream.arrivals.worked(Operation::Send);
        assert_eq!(stream.word().await, "degraded");
        after(16).await;
        assert_eq!(stream.word().await, "failed");
        stream.change(|status| status.stalled = None);
        assert_eq!(stream.word().await, "good");
    }

    #[tokio::test(start_paused = true)]
    async fn without_notifications_the_listing_has_to_get_ahead() {
        let stream = Stream::new();
        assert_eq!(stream.word().await, "good");
        stream.change(|status| status.connected = false);
        assert_eq!(stream.word().await, "degraded");
        after(14).await;
        stream.change(|status| status.watermark_slot = Some(30));
        assert_eq!(stream.word().await, "degraded");
        after(16).await;
        assert_eq!(stream.word().await, "failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_was_hardly_listed_and_ends_is_listed_first() {
        let stream = Stream::new();
        assert_eq!(stream.word().await, "good");
        after(90).await;
        stream.change(|status| status.connected = false);
        assert_eq!(stream.word().await, "degraded");
        after(16).await;
        assert_eq!(stream.word().await, "failed");
    }

    #[tokio::test(start_paused = true)]
    async fn transactions_that_nobody_gives_fail_the_check_until_something_else_arrives() {
        let stream = Stream::new();
        let withhold = |count| {
            stream.change(|status| status.quarantine.by_reason = [(WITHHELD, count)].into());
        };
        withhold(1);
        assert_eq!(stream.word().await, "failed");
        after(1).await;
        stream.arrivals.worked(Operation::Send);
        assert_eq!(stream.word().await, "good", "the quarantine's own check tells of it");
        after(3_600).await;
        assert_eq!(stream.word().await, "good");
        withhold(2);
        assert_eq!(stream.word().await, "failed");
        withhold(0);
        assert_eq!(stream.word().await, "good");
        stream.change(|status| status.quarantine.oldest_since = Some(OffsetDateTime::UNIX_EPOCH));
        withhold(1);
        assert_eq!(stream.word().await, "good", "an earlier process has put it there");
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_wait_for_too_long_fail_and_a_listing_that_is_not_complete_warns() {
        let stream = Stream::new();
        let now = Some(Instant::now());
        stream.change(|status| (status.complete_since, status.unacknowledged_since) = (now, now));
        assert_eq!(stream.word().await, "good");
        after(61).await;
        assert_eq!(stream.word().await, "failed");
        stream.change(|status| status.unacknowledged_since = None);
        assert_eq!(stream.word().await, "good");
        after(61).await;
        assert_eq!(stream.word().await, "degraded");
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_no_user_anything_is_a_warning() {
        let stream = Stream::new();
        stream.change(|status| status.watermark_error = Some(String::from("disk full")));
        assert_eq!(stream.word().await, "degraded");
        stream.change(|status| (status.watermark_error, status.backpressure) = (None, true));
        assert_eq!(stream.word().await, "degraded");
    }
}
