//! The queue and its dead-letter queue, in memory or in SQS, as the settings say.

use std::sync::Arc;

use session_config::{QueueKind, Settings};
use session_listener::{Passing, Pulse, SettingsError, WatchedQueue, sqs_queue};
use session_queue::{InMemoryConfig, InMemoryQueue, MessageStore, Queue, QueueError};
use session_queue_sqs::{SqsConfig, SqsError, SqsQueue};
use session_store::{Store, StoreError};

/// Dead letters wait for a person; a bound there is only against a disk that fills up.
const DEAD_LETTERS_MAX: usize = 1_000_000;

/// The name of the queue in memory.
const SOURCE: &str = "sessions";

/// The queue that feeds the handler, and the one where its failures end.
#[derive(Clone)]
pub struct Queues {
    /// From the listener to the handler.
    pub source: Arc<dyn Queue>,
    /// Messages that somebody has to look at.
    pub dead_letters: Arc<dyn Queue>,
    /// Where the queues in memory keep what must last; this process is its owner.
    pub store: Option<Store>,
    /// How what is done with the queue goes.
    pub(crate) pulse: Arc<Pulse>,
    /// The same of the dead-letter queue.
    pub(crate) dead_letters_pulse: Arc<Pulse>,
}

/// The queues could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum QueuesError {
    /// The store of the queues in memory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store has.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// SQS.
    #[error(transparent)]
    Sqs(#[from] SqsError),
}

impl Queues {
    /// Opens both queues.
    ///
    /// # Errors
    /// [`QueuesError`].
    pub async fn open(settings: &Settings) -> Result<Self, QueuesError> {
        match settings.queue.kind {
            QueueKind::Memory => Self::in_memory(settings).await,
            QueueKind::Sqs => Self::sqs(settings).await,
        }
    }

    /// The same queues, with somebody who sees messages pass.
    pub(crate) fn watched(self, passing: Option<Arc<dyn Passing>>) -> Self {
        let source = WatchedQueue::new(self.source, Arc::clone(&self.pulse), passing);
        let dead_letters = WatchedQueue::new(self.dead_letters, Arc::clone(&self.dead_letters_pulse), None);
        Self {
            source: Arc::new(source),
            dead_letters: Arc::new(dead_letters),
            ..self
        }
    }

    async fn in_memory(settings: &Settings) -> Result<Self, QueuesError> {
        let queue = &settings.queue;
        let config = |name: &str, capacity| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: queue.visibility_timeout,
            capacity,
        };
        let store = Store::open(&settings.service.state_dir).await?;
        let messages: Arc<dyn MessageStore> = Arc::new(store.clone());
        let dead_letters = InMemoryQueue::dead_letters(config("dead-letters", DEAD_LETTERS_MAX), messages).await?;
        let dead_letters = Arc::new(dead_letters);
        let source = InMemoryQueue::new(
            config(SOURCE, queue.capacity),
            Arc::clone(&dead_letters),
            queue.max_receive_count,
        );
        Ok(Self {
            source: Arc::new(source),
            dead_letters,
            store: Some(store),
            pulse: Arc::default(),
            dead_letters_pulse: Arc::default(),
        })
    }

    async fn sqs(settings: &Settings) -> Result<Self, QueuesError> {
        let queue = &settings.queue;
        let config = |url: &Option<String>| SqsConfig {
            queue_url: url.clone().unwrap_or_default(),
            endpoint_url: queue.endpoint_url.clone(),
            region: queue.region.clone(),
        };
        let source = SqsQueue::connect(config(&queue.url)).await?;
        let dead_letters = SqsQueue::connect(config(&queue.dead_letter_url)).await?;
        Ok(Self {
            source: Arc::new(source),
            dead_letters: Arc::new(dead_letters),
            store: None,
            pulse: Arc::default(),
            dead_letters_pulse: Arc::default(),
        })
    }
}

/// The name of the queue that feeds the handler, without opening what may have another owner.
///
/// # Errors
/// The queue in SQS is named by no URL.
pub async fn source_name(settings: &Settings) -> Result<String, SettingsError> {
    Ok(match settings.queue.kind {
        QueueKind::Memory => SOURCE.to_owned(),
        QueueKind::Sqs => sqs_queue(settings).await?.name().to_owned(),
    })
}
