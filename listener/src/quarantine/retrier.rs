//! Has everything in quarantine tried again when its time has come, apart from the listing's path, and tells how much is
//! there and for how long.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
};
use metrics::{counter, gauge};
use session_telemetry::names;

use crate::{
    patience::Patience,
    quarantine::{
        item::{Finding, QuarantineItem, QuarantineReason, Scope},
        place::Quarantine,
        store::QuarantineError,
    },
    status::{QuarantineSummary, StatusBoard},
};

/// How often the place is looked at, at the latest: an operator may have changed it from elsewhere.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// And at the soonest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Items that are tried at the same time.
const AT_ONCE: usize = 4;

/// What another try has come to.
pub(crate) enum Looked {
    /// It goes its normal way. It is resolved if this says so: once all that it asks for is safe.
    UnderWay(BoxFuture<'static, bool>),
    /// It is still not as it should be.
    Still(Finding),
    /// The listener is stopping.
    Stopped,
}

/// Whoever can try again.
#[async_trait]
pub(crate) trait SecondLook: Send + Sync + 'static {
    /// Tries once.
    async fn look(&self, item: &QuarantineItem) -> Looked;
}

/// The one task that has things tried again.
pub(crate) struct Retrier {
    pub(crate) quarantine: Quarantine,
    pub(crate) scope: Arc<Scope>,
    pub(crate) second_look: Arc<dyn SecondLook>,
    pub(crate) patience: Patience,
    pub(crate) status: Arc<StatusBoard>,
}

/// Items that go their normal way, each with whether it got there.
#[derive(Default)]
struct UnderWay {
    keys: HashSet<String>,
    ends: FuturesUnordered<BoxFuture<'static, (QuarantineItem, bool)>>,
}

impl UnderWay {
    fn add(&mut self, item: QuarantineItem, end: BoxFuture<'static, bool>) {
        self.keys.insert(item.key());
        self.ends.push(Box::pin(async move { (item, end.await) }));
    }

    /// Waits for the next end; for ever where nothing is under way.
    async fn next(&mut self) -> (QuarantineItem, bool) {
        match self.ends.next().await {
            Some((item, arrived)) => {
                self.keys.remove(&item.key());
                (item, arrived)
            }
            None => std::future::pending().await,
        }
    }
}

impl Retrier {
    /// Runs until told to stop.
    pub(crate) async fn run(self) {
        let patience = self.patience.clone();
        patience.wait(self.try_for_ever()).await;
    }

    async fn try_for_ever(self) {
        let (mut under_way, mut first) = (UnderWay::default(), true);
        loop {
            let pause = match self.round(first, &mut under_way).await {
                Ok(next) => {
                    first = false;
                    next
                }
                Err(error) => {
                    tracing::warn!(%error, "the quarantine cannot be looked at");
                    self.status.quarantine_error(Some(error.to_string()));
                    LOOK_EVERY
                }
            };
            tokio::time::sleep(PAUSE_MIN).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.quarantine.changed() => {}
                (item, arrived) = under_way.next() => self.ended(item, arrived).await,
            }
        }
    }

    /// Tries what is due, and tells how long the next round can wait.
    async fn round(&self, first: bool, under_way: &mut UnderWay) -> Result<Duration, QuarantineError> {
        let now = session_clock::now_utc();
        let items = self.items().await?;
        let is_due = |item: &&QuarantineItem| {
            let its_time = item.next_try <= now || (first && item.reason.is_mended_by_a_start());
            its_time && !under_way.keys.contains(&item.key())
        };
        let due: Vec<QuarantineItem> = items.iter().filter(is_due).cloned().collect();
        if due.is_empty() {
            return Ok(until_next(&items, &under_way.keys));
        }
        let look = async |item: QuarantineItem| {
            let looked = self.second_look.look(&item).await;
            (item, looked)
        };
        let mut tries = std::pin::pin!(stream::iter(due).map(look).buffer_unordered(AT_ONCE));
        while let Some((item, looked)) = tries.next().await {
            match looked {
                Looked::Stopped => {}
                Looked::UnderWay(end) => under_way.add(item, end),
                Looked::Still(finding) => {
                    let item = item.tried_again(finding, session_clock::now_utc());
                    tracing::debug!(id = item.id, reason = %item.reason, detail = item.detail, "still in quarantine");
                    self.quarantine.keep(&item).await?;
                }
            }
        }
        Ok(until_next(&self.items().await?, &under_way.keys))
    }

    /// This program's items, after telling how many there are.
    async fn items(&self) -> Result<Vec<QuarantineItem>, QuarantineError> {
        let mut items = self.quarantine.list().await?;
        items.retain(|item| self.scope.has(item));
        tell(&items, &self.status);
        Ok(items)
    }

    /// Something that went its normal way is there, or the queue went before.
    async fn ended(&self, item: QuarantineItem, arrived: bool) {
        if !arrived {
            return;
        }
        counter!(names::LISTENER_QUARANTINE_RESOLVED_TOTAL, "reason" => item.reason.code()).increment(1);
        tracing::info!(id = item.id, reason = %item.reason, attempts = item.attempts, "resolved: it went its normal way");
        if let Err(error) = self.quarantine.resolved(&item).await {
            tracing::warn!(%error, id = item.id, "it stays in quarantine, and is tried once more");
        }
    }
}

/// How long the next round can wait.
fn until_next(items: &[QuarantineItem], under_way: &HashSet<String>) -> Duration {
    let waiting = items.iter().filter(|item| !under_way.contains(&item.key()));
    let next = waiting.map(|item| item.next_try).min();
    let until = next.map(|next| Duration::try_from(next - session_clock::now_utc()).unwrap_or_default());
    until.map_or(LOOK_EVERY, |until| until.min(LOOK_EVERY))
}

/// Counts and the oldest age, for metrics and `/health`.
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating point, and there are some thousands at most"
)]
fn tell(items: &[QuarantineItem], status: &StatusBoard) {
    let mut counts: BTreeMap<QuarantineReason, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item.reason).or_default() += 1;
    }
    for reason in QuarantineReason::ALL {
        let count = counts.get(&reason).copied().unwrap_or_default();
        gauge!(names::LISTENER_QUARANTINE, "reason" => reason.code()).set(count as f64);
    }
    let oldest = items.first();
    let age = oldest.map(|oldest| session_clock::now_utc() - oldest.first_seen);
    gauge!(names::LISTENER_QUARANTINE_OLDEST_SECONDS).set(age.map_or(0.0, |age| age.as_seconds_f64().max(0.0)));
    status.quarantine_error(None);
    status.quarantine(QuarantineSummary {
        items: items.len(),
        by_reason: counts
            .into_iter()
            .map(|(reason, count)| (reason.code(), count))
            .collect(),
        oldest_since: oldest.map(|oldest| oldest.first_seen),
        oldest: oldest.map(|oldest| format!("{} {}: {}", oldest.reason, oldest.id, oldest.detail)),
    });
}
