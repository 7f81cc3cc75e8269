//! Tries again for ever, ever more slowly, and says so: nothing that fails here may be taken for "nothing there".

use std::{fmt::Display, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use metrics::counter;
use session_admin::Pulse;
use tokio_util::sync::CancellationToken;

use crate::status::{StallNumber, StatusBoard};
use session_telemetry::names;

const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(30);

/// Endless pauses: 100 ms, doubled each time up to 30 s, with jitter.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> + Send + Sync {
    ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(DELAY_MIN)
        .with_max_delay(DELAY_MAX)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(session_clock::random())
        .build()
        .map(|pause| pause.min(DELAY_MAX))
}

/// Why an attempt failed, as far as patience is concerned.
pub(crate) trait Setback: Display {
    /// Whether somebody has to act: no repetition will help.
    fn needs_action(&self) -> bool;
}

/// The pauses of something that has failed, while it fails. Its reason is told as long as it is one, and no longer than this lives.
#[derive(Default)]
pub(crate) struct Stall(Option<Stalled>);

impl Stall {
    /// Reports that it goes on, if it had stalled.
    pub(crate) fn overcome(&mut self, what: &str) {
        if self.0.take().is_some() {
            tracing::info!("going on: {what}");
        }
    }
}

struct Stalled {
    pauses: Box<dyn Iterator<Item = Duration> + Send + Sync>,
    number: StallNumber,
    status: Arc<StatusBoard>,
}

impl Drop for Stalled {
    fn drop(&mut self) {
        self.status.goes_on(self.number);
    }
}

/// Somebody who waits until it works or is told to stop.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    status: Arc<StatusBoard>,
    stop: CancellationToken,
    /// Of the task that waits, where anybody watches it.
    pulse: Option<Pulse>,
}

impl Patience {
    pub(crate) fn new(status: Arc<StatusBoard>, stop: CancellationToken) -> Self {
        Self {
            status,
            stop,
            pulse: None,
        }
    }

    /// The same for a task that shows by this that it makes progress: with every answer, whatever it is.
    pub(crate) fn of(&self, pulse: Pulse) -> Self {
        Self {
            pulse: Some(pulse),
            ..self.clone()
        }
    }

    /// A step is done.
    pub(crate) fn beat(&self) {
        if let Some(pulse) = &self.pulse {
            pulse.beat();
        }
    }

    /// Waits for something that cannot fail and takes no longer than a step may; `None` if told to stop before it came.
    pub(crate) async fn wait<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let waited = self.stop.run_until_cancelled(future).await;
        self.beat();
        waited
    }

    /// The same for what takes as long as others like.
    pub(crate) async fn rest<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let waiting = self.stop.run_until_cancelled(future);
        match &self.pulse {
            Some(pulse) => pulse.rest(waiting).await,
            None => waiting.await,
        }
    }

    /// Repeats `attempt` until it succeeds; `None` if told to stop before it did.
    pub(crate) async fn insist<T, E: Setback, F: Future<Output = Result<T, E>>>(
        &self,
        what: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Option<T> {
        let mut stall = Stall::default();
        loop {
            match self.wait(attempt()).await? {
                Ok(answer) => {
                    stall.overcome(what);
                    return Some(answer);
                }
                Err(error) => self.bear(&mut stall, what, &error).await?,
            }
        }
    }

    /// Reports a setback and waits before the next attempt; `None` if told to stop.
    pub(crate) async fn bear<E: Setback>(&self, stall: &mut Stall, what: &str, error: &E) -> Option<()> {
        report(what, error);
        let reason = format!("{what}: {error}");
        let number = self
            .status
            .stalled(stall.0.as_ref().map(|stalled| stalled.number), reason);
        let stalled = stall.0.get_or_insert_with(|| Stalled {
            pauses: Box::new(pauses()),
            number,
            status: Arc::clone(&self.status),
        });
        let pause = stalled.pauses.next().unwrap_or(DELAY_MAX);
        self.wait(tokio::time::sleep(pause)).await
    }
}

fn report<E: Setback>(what: &str, error: &E) {
    counter!(names::LISTENER_SETBACKS_TOTAL, "needs_action" => if error.needs_action() { "true" } else { "false" })
        .increment(1);
    if error.needs_action() {
        tracing::error!(%error, "listening is stalled until somebody acts: {what}");
    } else {
        tracing::warn!(%error, "trying again: {what}");
    }
}
