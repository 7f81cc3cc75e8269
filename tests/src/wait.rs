//! Waiting for a condition with a deadline, instead of sleeping for luck.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

/// How often a condition is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `condition` gives a value. Panics with `what` if `limit` passes first.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut condition: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until `condition` holds. Panics with `what` if `limit` passes first.
pub async fn until_true<F, Fut>(what: &str, limit: Duration, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until(what, limit, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await;
}
