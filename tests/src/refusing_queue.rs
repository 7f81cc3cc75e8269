//! A proxy in front of an SQS server that refuses chosen messages as the sender's fault, one by one, as SQS does; or whole
//! batches that are too long for it or hold such a message, as servers do whose limits are others.

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use crate::http_server::{self, HttpServer};

/// The call in SQS's JSON protocol.
const TARGET: &str = "x-amz-target";
const SEND_BATCH: &str = "AmazonSQS.SendMessageBatch";

/// A running proxy. It stops when dropped.
pub struct RefusingQueue {
    server: HttpServer,
    state: Arc<State>,
}

struct State {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// A message that holds any of these is refused.
    refused: Mutex<Vec<String>>,
    whole: Option<WholeBatches>,
}

/// What whole batches are refused for.
struct WholeBatches {
    /// All bodies together may have so many bytes.
    bytes_max: usize,
    /// No body may hold this.
    text: String,
}

impl RefusingQueue {
    /// A proxy in front of the server at `upstream` that refuses messages that hold `text`.
    pub async fn start(upstream: &str, text: &str) -> Self {
        Self::refusing(upstream, vec![text.to_owned()], None).await
    }

    /// The same that refuses whole batches: those with more than so many bytes, and those of which any message holds `text`.
    pub async fn of_whole_batches(upstream: &str, bytes_max: usize, text: &str) -> Self {
        let text = text.to_owned();
        Self::refusing(upstream, Vec::new(), Some(WholeBatches { bytes_max, text })).await
    }

    async fn refusing(upstream: &str, refused: Vec<String>, whole: Option<WholeBatches>) -> Self {
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            refused: Mutex::new(refused),
            whole,
        });
        Self {
            server: HttpServer::start(Arc::clone(&state), serve).await,
            state,
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on nothing is refused.
    pub fn heal(&self) {
        self.state.refused.lock().unwrap().clear();
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    let mut failed = Vec::new();
    if parts.headers.get(TARGET).is_some_and(|target| target == SEND_BATCH) {
        let mut call: Value = serde_json::from_slice(&body).unwrap();
        if let Some(refusal) = state.refuse_whole(&call) {
            return refusal;
        }
        failed = state.take_refused(&mut call);
        if call["Entries"].as_array().unwrap().is_empty() {
            return http_server::json_response(&json!({"Successful": [], "Failed": failed}));
        }
        body = Bytes::from(call.to_string());
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = Request::builder()
        .method(parts.method)
        .uri(format!("{}{path}", state.upstream));
    for (name, value) in &parts.headers {
        if name != HOST && name != CONTENT_LENGTH {
            forwarded = forwarded.header(name, value);
        }
    }
    let answer = state
        .client
        .request(forwarded.body(Full::new(body)).unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    if !failed.is_empty() {
        let mut told: Value = serde_json::from_slice(&body).unwrap();
        told["Failed"] = json!(failed);
        body = Bytes::from(told.to_string());
    }
    let mut response = Response::builder().status(parts.status);
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        response = response.header(CONTENT_TYPE, kind);
    }
    response.body(Full::new(body)).unwrap()
}

impl State {
    /// What is said of a batch that is refused as a whole.
    fn refuse_whole(&self, call: &Value) -> Option<Response<Full<Bytes>>> {
        let WholeBatches { bytes_max, text } = self.whole.as_ref()?;
        let bodies = || {
            let entries = call["Entries"].as_array().unwrap();
            entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap())
        };
        let error = if bodies().map(str::len).sum::<usize>() > *bytes_max {
            json!({"__type": "com.amazonaws.sqs#BatchRequestTooLong", "message": "Batch requests cannot be that long."})
        } else if bodies().any(|body| body.contains(text)) {
            json!({"__type": "com.amazonaws.sqs#InvalidMessageContents", "message": "Invalid characters."})
        } else {
            return None;
        };
        let body = Full::new(Bytes::from(error.to_string()));
        Some(Response::builder().status(400).body(body).unwrap())
    }

    /// Takes the entries out that are refused, and gives what is said of them.
    fn take_refused(&self, call: &mut Value) -> Vec<Value> {
        let refused = self.refused.lock().unwrap();
        let mut failed = Vec::new();
        call["Entries"].as_array_mut().unwrap().retain(|entry| {
            let body = entry["MessageBody"].as_str().unwrap();
            let is_refused = refused.iter().any(|text| body.contains(text));
            if is_refused {
                failed.push(
                    json!({"Id": entry["Id"], "SenderFault": true, "Code": "InvalidParameterValue",
                    "Message": "One or more parameters are invalid."}),
                );
            }
            !is_refused
        });
        failed
    }
}
