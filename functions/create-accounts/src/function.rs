//! What lives as long as the Lambda process does, and what happens in each invocation of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use create_accounts::{
    EngineSource, Handler, LogObserver, SetupError, UnusableRecord, engine_config, handler_config, policy,
    shared_ledger, signers, spending_limits,
};
use futures::FutureExt;
use lambda_runtime::{Context, Diagnostic};
use session_chain::{RpcPool, rpc_pool};
use session_config::{QueueKind, Settings};
use session_engine::{CreationError, Deferral, Engine, EngineError};
use session_ledger::{InMemoryLedger, Ledger};
use session_queue::Queue;
use session_queue_sqs::{SqsConfig, SqsError, SqsQueue};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout},
};

use crate::{emf::EmfMetrics, no_queue::NoQueue};

/// Lambda kills a function 500 ms after SIGTERM (AWS, "Lambda execution environment lifecycle").
const STOP_LIMIT: Duration = Duration::from_millis(300);

/// The function: its settings, and the clients that its first invocation makes and all others use.
pub(crate) struct Function {
    settings: Arc<Settings>,
    metrics: EmfMetrics,
    handler: OnceCell<Handler>,
}

/// An invocation failed as a whole: all its records will be delivered again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FunctionError {
    #[error(transparent)]
    Queue(#[from] SqsError),
    #[error(transparent)]
    UnusableRecord(#[from] UnusableRecord),
}

impl From<FunctionError> for Diagnostic {
    fn from(error: FunctionError) -> Self {
        let error_type = match &error {
            FunctionError::Queue(_) => "Queue",
            FunctionError::UnusableRecord(_) => "UnusableRecord",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}

impl Function {
    /// A function that has connected to nothing yet.
    pub(crate) fn new(settings: Settings, metrics: EmfMetrics) -> Self {
        Self {
            settings: Arc::new(settings),
            metrics,
            handler: OnceCell::new(),
        }
    }

    /// Answers one invocation, its metrics flushed.
    pub(crate) async fn invoke(&self, event: SqsEvent, context: &Context) -> Result<SqsBatchResponse, FunctionError> {
        let answer = self.answer(event, context.deadline()).await;
        if let Err(error) = &answer {
            tracing::error!(%error, "invocation failed; its records will be delivered again");
        }
        self.metrics.flush(&context.request_id);
        answer
    }

    async fn answer(&self, event: SqsEvent, deadline: SystemTime) -> Result<SqsBatchResponse, FunctionError> {
        // `cargo lambda watch` gives a deadline in 1970. A function whose time is really over is not asked any more.
        let left = deadline.duration_since(session_clock::now());
        let left = left.unwrap_or(self.settings.service.function_timeout);
        let deadline = Instant::now() + left;
        let handler = self.handler.get_or_try_init(|| handler(&self.settings)).await?;
        Ok(handler.handle(event, deadline).await?)
    }

    /// Ends the engine's tasks, and writes what they and a broken invocation have recorded.
    pub(crate) async fn stop(&self) {
        if let Some(engine) = self.handler.get().and_then(Handler::engine)
            && timeout(STOP_LIMIT, engine.shutdown()).await.is_err()
        {
            tracing::warn!(limit = ?STOP_LIMIT, "the engine's tasks did not end in time");
        }
        self.metrics.flush("");
    }
}

/// The handler, with an engine that starts when the first record needs it: a chain that cannot be reached, or a key that
/// cannot be had, is then the reason of the records that need them, and of no others.
async fn handler(settings: &Arc<Settings>) -> Result<Handler, SqsError> {
    let (source, dead_letters) = queues(settings).await?;
    let for_the_engine = Arc::clone(settings);
    // One pool for all tries: its circuits remember who did not answer.
    let pool = rpc_pool(settings).map_err(|error| misconfigured(&error.into()));
    let start = Box::new(move |deadline| {
        let (settings, pool) = (Arc::clone(&for_the_engine), pool.clone());
        async move { engine(&settings, pool?, deadline).await.map(Arc::new) }.boxed()
    });
    let engine = EngineSource::later(policy(settings), start);
    let observer = Arc::new(LogObserver);
    Ok(Handler::new(
        engine,
        source,
        dead_letters,
        handler_config(settings),
        observer,
    ))
}

async fn engine(settings: &Settings, pool: RpcPool, deadline: Instant) -> Result<Engine, CreationError> {
    let signers = signers(settings).await.map_err(|error| misconfigured(&error))?;
    let ledger = ledger(settings).await.map_err(|error| misconfigured(&error))?;
    let config = engine_config(settings, &signers);
    let started = Engine::start_by(config, pool.clone(), signers, ledger, deadline).await;
    started.map_err(|error| match error {
        EngineError::Chain(error) => CreationError::of_chain(&Arc::new(error), pool.rests_for()),
        other => other.into(),
    })
}

fn misconfigured(error: &SetupError) -> CreationError {
    tracing::error!(%error, "the engine cannot start");
    Deferral::Misconfigured(error.to_string()).into()
}

/// The ledger of all environments, or one that this environment begins anew.
async fn ledger(settings: &Settings) -> Result<Arc<dyn Ledger>, SetupError> {
    if let Some(shared) = shared_ledger(settings).await? {
        return Ok(Arc::new(shared));
    }
    tracing::warn!("no ledger.table is configured: budgets count in this environment alone, and begin anew with it");
    Ok(Arc::new(InMemoryLedger::new(spending_limits(settings))))
}

/// The queue and its dead-letter queue. A function can be invoked without; queues in memory would end with it.
async fn queues(settings: &Settings) -> Result<(Arc<dyn Queue>, Arc<dyn Queue>), SqsError> {
    let queue = &settings.queue;
    let (QueueKind::Sqs, Some(url), Some(dead_letter_url)) = (queue.kind, &queue.url, &queue.dead_letter_url) else {
        tracing::warn!("no queue is configured: what cannot succeed is reported as failed");
        return Ok((Arc::new(NoQueue), Arc::new(NoQueue)));
    };
    let config = |url: &String| SqsConfig {
        queue_url: url.clone(),
        endpoint_url: queue.endpoint_url.clone(),
        region: queue.region.clone(),
    };
    let source = SqsQueue::connect(config(url)).await?;
    let dead_letters = SqsQueue::connect(config(dead_letter_url)).await?;
    Ok((Arc::new(source), Arc::new(dead_letters)))
}
