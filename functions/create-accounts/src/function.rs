//! What lives as long as the Lambda process does, and what happens in each invocation of it.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use create_accounts::{
    Handler, LogObserver, SetupError, UnusableRecord, engine_config, handler_config, rpc_pool, shared_ledger, signers,
    spending_limits,
};
use lambda_runtime::{Context, Diagnostic};
use session_config::{QueueKind, Settings};
use session_engine::{Engine, EngineError};
use session_ledger::{InMemoryLedger, Ledger};
use session_queue::Queue;
use session_queue_sqs::{SqsConfig, SqsError, SqsQueue};
use tokio::{sync::OnceCell, time::timeout};

use crate::{emf::EmfMetrics, no_queue::NoQueue};

/// Lambda kills a function 500 ms after SIGTERM (AWS, "Lambda execution environment lifecycle").
const STOP_LIMIT: Duration = Duration::from_millis(300);

/// The function: its settings, and the clients that its first invocation makes and all others use.
pub(crate) struct Function {
    settings: Settings,
    metrics: EmfMetrics,
    started: OnceCell<Started>,
}

/// What takes connections, and therefore time.
struct Started {
    engine: Arc<Engine>,
    handler: Handler,
}

/// An invocation failed as a whole: all its records will be delivered again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FunctionError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Queue(#[from] SqsError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    UnusableRecord(#[from] UnusableRecord),
    #[error("the chain did not answer before the invocation's deadline, {0:?} from its start; nothing was tried")]
    StartTimedOut(Duration),
}

impl From<FunctionError> for Diagnostic {
    fn from(error: FunctionError) -> Self {
        let error_type = match &error {
            FunctionError::Setup(_) => "Setup",
            FunctionError::Queue(_) => "Queue",
            FunctionError::Engine(_) => "Engine",
            FunctionError::UnusableRecord(_) => "UnusableRecord",
            FunctionError::StartTimedOut(_) => "StartTimedOut",
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
            settings,
            metrics,
            started: OnceCell::new(),
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
        let left = deadline.duration_since(SystemTime::now());
        let left = left.unwrap_or(self.settings.service.function_timeout);
        let deadline = Instant::now() + left;
        let start_limit = left.saturating_sub(handler_config(&self.settings).deadline_margin);
        let started = timeout(
            start_limit,
            self.started.get_or_try_init(|| Started::new(&self.settings)),
        )
        .await
        .map_err(|_elapsed| FunctionError::StartTimedOut(start_limit))??;
        Ok(started.handler.handle(event, deadline).await?)
    }

    /// Ends the engine's tasks, and writes what they and a broken invocation have recorded.
    pub(crate) async fn stop(&self) {
        if let Some(started) = self.started.get()
            && timeout(STOP_LIMIT, started.engine.shutdown()).await.is_err()
        {
            tracing::warn!(limit = ?STOP_LIMIT, "the engine's tasks did not end in time");
        }
        self.metrics.flush("");
    }
}

impl Started {
    async fn new(settings: &Settings) -> Result<Self, FunctionError> {
        let pool = rpc_pool(settings)?;
        let signers = signers(settings).await?;
        let (source, dead_letters) = queues(settings).await?;
        let config = engine_config(settings, &signers);
        let ledger = ledger(settings).await?;
        let engine = Arc::new(Engine::start(config, pool, signers, ledger).await?);
        let handler = Handler::new(
            Arc::clone(&engine),
            source,
            dead_letters,
            handler_config(settings),
            Arc::new(LogObserver),
        );
        Ok(Self { engine, handler })
    }
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
