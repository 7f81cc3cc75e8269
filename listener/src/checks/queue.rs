//! The queue: it answers, it takes messages and gives them, and what is given up finds its place.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health, in_time};
use session_queue::Queue;
use tokio::time::timeout;

use super::{
    PATIENCE,
    pulse::{Operation, Pulse},
};

/// The shortest time for which something fails before it counts: a single failure is tried again and forgotten.
const GRACE_MIN: Duration = Duration::from_secs(1);

/// The queue between listener and handler, and where there is one its dead-letter queue.
pub struct QueueCheck {
    queue: (Arc<dyn Queue>, Arc<Pulse>),
    dead_letters: Option<(Arc<dyn Queue>, Arc<Pulse>)>,
    grace: Duration,
}

impl QueueCheck {
    /// A check of a queue that is watched by its pulse, made so often.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, pulse: Arc<Pulse>, interval: Duration) -> Self {
        Self {
            queue: (queue, pulse),
            dead_letters: None,
            grace: (interval / 4).max(GRACE_MIN),
        }
    }

    /// Looks at the dead-letter queue as well.
    #[must_use]
    pub fn with_dead_letters(mut self, queue: Arc<dyn Queue>, pulse: Arc<Pulse>) -> Self {
        self.dead_letters = Some((queue, pulse));
        self
    }

    /// What has done nothing but fail for long enough to count.
    fn failing(&self, pulse: &Pulse, operation: Operation, what: &str) -> Option<String> {
        let (since, reason) = pulse.failing(operation)?;
        (since >= self.grace).then(|| format!("{what} for {} s: {reason}", since.as_secs()))
    }

    /// What keeps messages from being taken.
    fn broken(&self) -> Option<String> {
        let pulse = &self.queue.1;
        let sends = || self.failing(pulse, Operation::Send, "the queue has taken no message");
        let receives = || self.failing(pulse, Operation::Receive, "the queue has given no message");
        let letters = || {
            let (_, letters) = self.dead_letters.as_ref()?;
            self.failing(letters, Operation::Send, "the dead-letter queue has taken no letter")
        };
        sends().or_else(receives).or_else(letters)
    }

    /// What costs a repetition, and no user anything.
    fn worn(&self) -> Option<String> {
        let pulse = &self.queue.1;
        self.failing(pulse, Operation::Delete, "messages that are done with are not deleted")
            .or_else(|| self.failing(pulse, Operation::Hide, "messages cannot be hidden"))
    }

    /// Whether the queue answers at all. One that may not be asked says so, and is judged by what is done with it.
    async fn answers(&self) -> Result<Option<String>, CheckFailure> {
        match timeout(PATIENCE, self.queue.0.depth()).await {
            Ok(Ok(_)) => Ok(None),
            Ok(Err(error)) if !error.is_retryable() => Ok(Some(format!("its depth cannot be asked for: {error}"))),
            Ok(Err(error)) => Err(CheckFailure::new(format!("the queue does not answer: {error}"))),
            Err(_) => Err(CheckFailure::new(format!(
                "the queue does not answer within {PATIENCE:?}"
            ))),
        }
    }

    async fn letters_answer(&self) -> Option<String> {
        let (queue, _) = self.dead_letters.as_ref()?;
        match timeout(PATIENCE / 2, queue.depth()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("the dead-letter queue does not answer: {error}")),
            Err(_) => Some(format!(
                "the dead-letter queue does not answer within {:?}",
                PATIENCE / 2
            )),
        }
    }
}

#[async_trait]
impl Check for QueueCheck {
    fn name(&self) -> &'static str {
        "queue"
    }

    fn every(&self, configured: Duration) -> Duration {
        in_time(configured, PATIENCE)
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        if let Some(broken) = self.broken() {
            return Err(CheckFailure::new(broken));
        }
        let (answers, letters) = tokio::join!(self.answers(), self.letters_answer());
        let warning = answers?.or(letters).or_else(|| self.worn());
        Ok(warning.map_or(Health::Good, Health::Degraded))
    }
}
