//! The `create-accounts` Lambda function: the handler behind AWS's runtime API.
//!
//! Settings come from the environment alone (`SESSION_BUILDER__SECTION__KEY`, see `config.toml`). A cold start reads
//! them and asks for work; whatever takes a connection waits for the first invocation.

mod emf;
mod function;
mod no_queue;

use std::sync::Arc;

use anyhow::Context;
use lambda_runtime::{LambdaEvent, service_fn, spawn_graceful_shutdown_handler};
use session_config::{Overrides, Settings};
use session_telemetry::{LogFormat, init_logs};

use crate::{emf::EmfMetrics, function::Function};

/// Where Lambda, or whoever plays it, is asked for work.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// Tells the metrics of one stack's function from another's.
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

// One thread: a function has less than two CPUs up to 3 GB of memory, and its work is waiting for the chain.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    from_lambda(RUNTIME_API)?;
    let metrics = EmfMetrics::install(from_lambda(FUNCTION_NAME)?)?;
    let settings = Settings::load(None, &Overrides::default()).context("the function's environment")?;
    init_logs(&settings.monitoring.log_level, LogFormat::Json)?;
    let function = Arc::new(Function::new(settings, metrics));

    // Lambda sends SIGTERM only to functions with an extension; this registers one that does nothing else.
    let stopping = Arc::clone(&function);
    spawn_graceful_shutdown_handler(move || async move { stopping.stop().await }).await;

    let invoke = move |event: LambdaEvent<_>| {
        let function = Arc::clone(&function);
        async move { function.invoke(event.payload, &event.context).await }
    };
    lambda_runtime::run(service_fn(invoke))
        .await
        .map_err(|error| anyhow::anyhow!("the runtime API failed: {error}"))
}

/// A variable that Lambda sets.
fn from_lambda(name: &str) -> anyhow::Result<String> {
    std::env::var(name)
        .with_context(|| format!("this is a Lambda function: run it by `cargo lambda watch`, or deploy it; {name}"))
}
