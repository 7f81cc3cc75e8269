//! What requests cost in the provider's credits, how many are spent, and whether there is room for what can wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge};
use serde_json::Value;
use session_telemetry::names;
use tokio::time::Instant;

/// The price of every method that is not named.
const OTHER: &str = "other";
/// The price of opening a WebSocket.
const WEBSOCKET: &str = "websocket";
/// The price of every 100 kB that come through one.
const WEBSOCKET_DATA: &str = "websocket:100kB";
/// Providers charge more for a status that is looked for in all of history.
const STATUSES_OF_HISTORY: &str = "getSignatureStatuses:searchTransactionHistory";
const BYTES_CHARGED: u64 = 100_000;
const HOUR: Duration = Duration::from_hours(1);
/// The rate is that of the last ten minutes.
const RATE_MINUTES: u64 = 10;
const MINUTE: Duration = Duration::from_mins(1);

/// What each method costs, in credits, and how many may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreditPrices {
    /// Credits by method. `other` is every method that is not named (1 where it isn't, either).
    pub by_method: BTreeMap<String, u64>,
    /// Credits that should be spent in any hour; at this rate what can wait waits.
    pub budget_per_hour: Option<u64>,
}

impl CreditPrices {
    fn of(&self, method: &str) -> u64 {
        let named = self.by_method.get(method).or_else(|| self.by_method.get(OTHER));
        named.copied().unwrap_or(1)
    }

    /// What is not charged by the request costs nothing unless it is named.
    fn of_stream(&self, what: &str) -> u64 {
        self.by_method.get(what).copied().unwrap_or(0)
    }
}

/// The credits of one pool of endpoints. Clones share everything.
#[derive(Debug, Clone)]
pub struct Credits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    prices: CreditPrices,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    since: Instant,
    total: u64,
    /// Credits of the last minutes, the oldest first, each with its number since the start.
    minutes: VecDeque<(u64, u64)>,
    /// The budget is a bucket that holds an hour's: what is in it, in credits, as of then. Under zero where more was spent.
    bucket: f64,
    bucket_as_of: Instant,
    /// Bytes of streams that are not charged yet.
    bytes: u64,
}

impl Default for Credits {
    fn default() -> Self {
        Self::new(CreditPrices::default())
    }
}

impl Credits {
    /// Nothing is spent yet.
    #[must_use]
    pub fn new(prices: CreditPrices) -> Self {
        let now = Instant::now();
        let bucket = as_float(prices.budget_per_hour.unwrap_or_default());
        Self(Arc::new(Inner {
            prices,
            spent: Mutex::new(Spent {
                since: now,
                total: 0,
                minutes: VecDeque::new(),
                bucket,
                bucket_as_of: now,
                bytes: 0,
            }),
        }))
    }

    /// A request goes out.
    pub(crate) fn requested(&self, method: &str, parameters: &Value) {
        let of_history = method == "getSignatureStatuses"
            && parameters
                .get(1)
                .and_then(|config| config.get("searchTransactionHistory"))
                == Some(&Value::Bool(true));
        let priced = if of_history && self.0.prices.by_method.contains_key(STATUSES_OF_HISTORY) {
            STATUSES_OF_HISTORY
        } else {
            method
        };
        self.spend(method, self.0.prices.of(priced));
    }

    /// A WebSocket is opened.
    pub fn opened_stream(&self) {
        self.spend(WEBSOCKET, self.0.prices.of_stream(WEBSOCKET));
    }

    /// So many bytes came through a WebSocket.
    pub fn streamed(&self, bytes: usize) {
        let whole = {
            let mut spent = self.lock();
            spent.bytes = spent.bytes.saturating_add(bytes as u64);
            let whole = spent.bytes / BYTES_CHARGED;
            spent.bytes %= BYTES_CHARGED;
            whole
        };
        if whole > 0 {
            self.spend(WEBSOCKET, whole.saturating_mul(self.0.prices.of_stream(WEBSOCKET_DATA)));
        }
    }

    /// What a request by this method costs.
    #[must_use]
    pub fn price(&self, method: &str) -> u64 {
        self.0.prices.of(method)
    }

    /// Credits spent so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lock().total
    }

    /// Credits an hour, at the rate of the last ten minutes; of the first minute it is what the minute cost, sixty times.
    #[must_use]
    pub fn per_hour(&self) -> u64 {
        let mut spent = self.lock();
        let now = Instant::now();
        spent.forget(now);
        let recent: u64 = spent.minutes.iter().map(|(_, credits)| credits).sum();
        let first = (spent.minute(now) + 1).saturating_sub(RATE_MINUTES);
        let before = Duration::from_secs(first * MINUTE.as_secs());
        let window = now.duration_since(spent.since).saturating_sub(before).max(MINUTE);
        let rate = u128::from(recent) * HOUR.as_millis() / window.as_millis();
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// How long something that can wait and costs so much should wait for room in the budget: not at all where there is none.
    #[must_use]
    pub fn until_room(&self, cost: u64) -> Duration {
        let Some(budget) = self.0.prices.budget_per_hour.filter(|budget| *budget > 0) else {
            return Duration::ZERO;
        };
        let mut spent = self.lock();
        spent.refill(Instant::now(), budget);
        // What costs more than the bucket holds may go when the bucket is full.
        let missing = as_float(cost.min(budget)) - spent.bucket;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing * HOUR.as_secs_f64() / as_float(budget)).unwrap_or(HOUR)
    }

    /// Waits until the budget has room for something that can wait and costs so much. The room is not reserved: what is
    /// urgent goes first.
    pub async fn room(&self, cost: u64) {
        loop {
            let wait = self.until_room(cost);
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn spend(&self, method: &str, credits: u64) {
        if credits > 0 {
            let now = Instant::now();
            let mut spent = self.lock();
            spent.total = spent.total.saturating_add(credits);
            spent.forget(now);
            let minute = spent.minute(now);
            match spent.minutes.back_mut() {
                Some((last, of_minute)) if *last == minute => *of_minute = of_minute.saturating_add(credits),
                _ => spent.minutes.push_back((minute, credits)),
            }
            if let Some(budget) = self.0.prices.budget_per_hour {
                spent.refill(now, budget);
                // Nothing is owed for longer than an hour.
                spent.bucket = (spent.bucket - as_float(credits)).max(-as_float(budget));
            }
        }
        counter!(names::RPC_CREDITS_TOTAL, "method" => method.to_owned()).increment(credits);
        gauge!(names::RPC_CREDITS_PER_HOUR).set(as_float(self.per_hour()));
    }

    /// A few numbers, never left half changed: a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.0.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn minute(&self, now: Instant) -> u64 {
        now.duration_since(self.since).as_secs() / MINUTE.as_secs()
    }

    fn forget(&mut self, now: Instant) {
        let minute = self.minute(now);
        while self
            .minutes
            .front()
            .is_some_and(|(first, _)| first + RATE_MINUTES <= minute)
        {
            self.minutes.pop_front();
        }
    }

    fn refill(&mut self, now: Instant, budget: u64) {
        let elapsed = now.duration_since(self.bucket_as_of).as_secs_f64();
        let budget = as_float(budget);
        self.bucket = (self.bucket + elapsed * budget / HOUR.as_secs_f64()).min(budget);
        self.bucket_as_of = now;
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody spends 2^53 credits")]
fn as_float(credits: u64) -> f64 {
    credits as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn credits(budget_per_hour: Option<u64>) -> Credits {
        let prices = [
            ("getTransaction", 10),
            (STATUSES_OF_HISTORY, 10),
            (WEBSOCKET, 1),
            (WEBSOCKET_DATA, 2),
        ];
        Credits::new(CreditPrices {
            by_method: prices.map(|(method, price)| (method.to_owned(), price)).into(),
            budget_per_hour,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn each_method_has_its_price() {
        let credits = credits(None);
        credits.requested("getSlot", &Value::Null);
        assert_eq!(credits.total(), 1);
        credits.requested("getTransaction", &json!(["signature", {}]));
        assert_eq!(credits.total(), 11);
        credits.requested("getSignatureStatuses", &json!([["signature"]]));
        assert_eq!(credits.total(), 12);
        credits.requested(
            "getSignatureStatuses",
            &json!([["signature"], {"searchTransactionHistory": true}]),
        );
        assert_eq!(credits.total(), 22);
        credits.opened_stream();
        for _ in 0..1_000 {
            credits.streamed(150);
        }
        assert_eq!(credits.total(), 25, "150,000 bytes are charged as 100,000 so far");
        assert_eq!(credits.until_room(1_000_000), Duration::ZERO, "there is no budget");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_ten_minutes() {
        let credits = credits(None);
        for _ in 0..60 {
            credits.requested("getTransaction", &Value::Null);
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert_eq!(credits.per_hour(), 3_600);
        tokio::time::advance(Duration::from_mins(11)).await;
        assert_eq!(credits.per_hour(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_wait_waits_for_room_and_nobody_else_does() {
        let credits = credits(Some(3_600));
        assert_eq!(credits.until_room(3_600), Duration::ZERO, "nothing is spent yet");
        // Nobody is asked before a request goes out.
        for _ in 0..400 {
            credits.requested("getTransaction", &Value::Null);
        }
        assert_eq!(
            credits.until_room(100),
            Duration::from_secs(500),
            "400 are owed, and one comes a second"
        );
        tokio::time::advance(Duration::from_secs(500)).await;
        assert_eq!(credits.until_room(100), Duration::ZERO);
        for _ in 0..100_000 {
            credits.requested("getTransaction", &Value::Null);
        }
        assert_eq!(credits.until_room(0), HOUR, "what is owed is forgiven after an hour");
        assert_eq!(
            credits.until_room(1_000_000),
            2 * HOUR,
            "what is larger than the budget has its turn"
        );
        let since = Instant::now();
        credits.room(0).await;
        assert!(since.elapsed() >= HOUR);
    }
}
