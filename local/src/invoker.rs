//! How the event source calls the function: in this process, or over HTTP as `cargo lambda watch` serves it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use create_accounts::{Handler, UnusableRecord};
use futures::FutureExt;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use session_telemetry::Escaped;
use tokio::time::{self, Instant, interval_at};

/// The largest answer that Lambda gives to a synchronous invocation: 6 MB (AWS, "Lambda quotas").
const RESPONSE_SIZE_MAX_BYTES: usize = 6 * 1024 * 1024;
/// How often a function that is not there yet is looked for.
const READY_POLL: Duration = Duration::from_millis(500);
/// How long a function may take before it is told what keeps it.
const READY_TOLD_FIRST: Duration = Duration::from_secs(5);
/// And how often then: building a function takes minutes.
const READY_TOLD_EVERY: Duration = Duration::from_secs(30);

/// Calls the function with a batch, as an event source mapping does.
#[async_trait]
pub trait Invoker: Send + Sync + 'static {
    /// One invocation, which must have ended by `deadline`.
    ///
    /// # Errors
    /// [`InvokeError`] where there is no response to go by: the whole batch counts as failed.
    async fn invoke(&self, event: SqsEvent, deadline: Instant) -> Result<SqsBatchResponse, InvokeError>;
}

/// An invocation that ended without a usable response.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The handler refused the event as a whole.
    #[error("the handler refused the batch: {0}")]
    Refused(#[from] UnusableRecord),
    /// The handler panicked.
    #[error("the handler panicked: {0}")]
    Panicked(tokio::task::JoinError),
    /// The invocation ran past its deadline and was abandoned.
    #[error("the function gave no answer within its timeout of {0:?}")]
    TimedOut(Duration),
    /// The event or the response is not JSON of the expected shape.
    #[error("the function's answer is no batch response: {0}")]
    BadResponse(#[from] serde_json::Error),
    /// The function could not be reached.
    #[error("the function at {url} cannot be reached: {source}; is `cargo lambda watch` running?")]
    Unreachable {
        /// The configured URL.
        url: String,
        /// What the HTTP client says.
        source: hyper_util::client::legacy::Error,
    },
    /// The function's URL does not make a request.
    #[error("the function's URL {url} is unusable: {source}")]
    BadUrl {
        /// The configured URL.
        url: String,
        /// What is wrong with it.
        source: hyper::http::Error,
    },
    /// The answer broke off, or is larger than Lambda allows.
    #[error("the function's answer cannot be read: {0}")]
    BadBody(Box<dyn std::error::Error + Send + Sync>),
    /// The function answered with an error of its own.
    #[error("the function answered {status}: {body}")]
    FunctionError {
        /// The HTTP status.
        status: StatusCode,
        /// The start of what it said.
        body: String,
    },
}

/// The handler in this process.
pub struct InProcess(pub Arc<Handler>);

#[async_trait]
impl Invoker for InProcess {
    async fn invoke(&self, event: SqsEvent, deadline: Instant) -> Result<SqsBatchResponse, InvokeError> {
        let handler = Arc::clone(&self.0);
        let timeout = deadline.saturating_duration_since(Instant::now());
        // A task of its own, so that a panic is this invocation's failure and nobody else's.
        let mut task = tokio::spawn(async move { handler.handle(event, deadline).await });
        match time::timeout(timeout, &mut task).await {
            Ok(joined) => Ok(joined.map_err(InvokeError::Panicked)??),
            Err(_elapsed) => {
                // Lambda kills a function that runs past its timeout.
                task.abort();
                let _ = task.await;
                Err(InvokeError::TimedOut(timeout))
            }
        }
    }
}

/// A function behind an HTTP address that takes invocations, such as `cargo lambda watch`.
pub struct FunctionUrl {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl FunctionUrl {
    /// A function that is invoked by a POST to `url`.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self {
            url,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Waits until the function answers an event without records, for which it connects to all that it needs. What
    /// keeps it from doing so is told after some seconds, and again every while.
    pub async fn ready(&self, told: impl Fn(&str)) {
        let mut telling = interval_at(Instant::now() + READY_TOLD_FIRST, READY_TOLD_EVERY);
        let silent = format!("{} takes the event and has not answered it yet", self.url);
        let (event, mut last) = (SqsEvent::default(), None::<String>);
        loop {
            // One that is being built answers when it is: minutes are no reason to ask again.
            let (asked_at, mut asking) = (Instant::now(), Box::pin(self.post(&event)));
            let error = loop {
                tokio::select! {
                    answer = &mut asking => match answer {
                        Ok(_) => return,
                        Err(error) => break error,
                    },
                    _ = telling.tick() => {
                        let known = last.as_ref().filter(|_| asked_at.elapsed() < READY_POLL);
                        told(known.unwrap_or(&silent));
                    }
                }
            };
            let reason = Escaped(&error).to_string();
            if telling.tick().now_or_never().is_some() {
                told(&reason);
            }
            last = Some(reason);
            time::sleep(READY_POLL).await;
        }
    }

    async fn post(&self, event: &SqsEvent) -> Result<SqsBatchResponse, InvokeError> {
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(event)?)))
            .map_err(|source| InvokeError::BadUrl {
                url: self.url.clone(),
                source,
            })?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|source| InvokeError::Unreachable {
                url: self.url.clone(),
                source,
            })?;
        let status = response.status();
        // Lambda answers 200 with this header when the function itself failed.
        let failed = response.headers().contains_key("x-amz-function-error");
        let body = Limited::new(response.into_body(), RESPONSE_SIZE_MAX_BYTES)
            .collect()
            .await
            .map_err(InvokeError::BadBody)?
            .to_bytes();
        if !status.is_success() || failed {
            let body = String::from_utf8_lossy(&body).chars().take(500).collect();
            return Err(InvokeError::FunctionError { status, body });
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

#[async_trait]
impl Invoker for FunctionUrl {
    async fn invoke(&self, event: SqsEvent, deadline: Instant) -> Result<SqsBatchResponse, InvokeError> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        time::timeout(timeout, self.post(&event))
            .await
            .map_err(|_elapsed| InvokeError::TimedOut(timeout))?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    /// What was told of a function that never is ready, by the clock that the test turns, and when.
    async fn told_of(url: String) -> Vec<(Duration, String)> {
        let (begun, told) = (Instant::now(), Mutex::new(Vec::new()));
        let tell = |reason: &str| told.lock().unwrap().push((begun.elapsed(), reason.to_owned()));
        let limit = READY_TOLD_FIRST + 2 * READY_TOLD_EVERY + 2 * READY_POLL;
        assert!(time::timeout(limit, FunctionUrl::new(url).ready(tell)).await.is_err());
        told.into_inner().unwrap()
    }

    fn assert_told(told: &[(Duration, String)], reason: &str) {
        assert_eq!(told.len(), 3, "{told:?}");
        let due = [0, 1, 2].map(|time| READY_TOLD_FIRST + time * READY_TOLD_EVERY);
        for ((at, said), due) in told.iter().zip(due) {
            assert!(*at >= due && *at <= due + 2 * READY_POLL, "{told:?}");
            assert!(said.contains(reason), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_keeps_a_function_is_told_again_and_again() {
        let nobody = told_of(String::from("http://127.0.0.1:9")).await;
        assert_told(&nobody, "cargo lambda watch");
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        assert_told(&told_of(url).await, "has not answered it yet");
    }
}
