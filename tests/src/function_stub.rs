//! A function behind an HTTP address that creates accounts like the real one, until a test tells it to fail.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
};
use serde_json::{Value, json};
use session_engine::{CreationRequest, validate};
use session_message::Message;
use tokio::time::Instant;

use crate::{
    creation::CreationRig,
    http_server::{self, HttpServer, json_response},
};

/// How a function fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    /// It gives no answer.
    Hangs,
    /// Nobody runs it: the gateway in front of it says so.
    IsGone,
    /// It says that it failed.
    Fails,
    /// It names every record as failed.
    NamesAll,
    /// It names a record that nobody sent.
    NamesAStranger,
}

/// A running function. It stops when dropped.
pub struct FunctionStub {
    server: HttpServer,
    state: Arc<State>,
}

struct State {
    rig: CreationRig,
    illness: Mutex<Option<Illness>>,
}

impl FunctionStub {
    /// A function that creates accounts with this engine.
    pub async fn start(rig: CreationRig) -> Self {
        let state = Arc::new(State {
            rig,
            illness: Mutex::default(),
        });
        Self {
            server: HttpServer::start(Arc::clone(&state), serve).await,
            state,
        }
    }

    /// Where it is invoked.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on it fails like this, or works.
    pub fn is_ill(&self, illness: Option<Illness>) {
        *self.state.illness.lock().unwrap() = illness;
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let event: Value = serde_json::from_slice(&http_server::body(request).await).unwrap();
    let records = event["Records"].as_array().cloned().unwrap_or_default();
    let illness = *state.illness.lock().unwrap();
    let failures = |ids: Vec<Value>| {
        let failures: Vec<Value> = ids.into_iter().map(|id| json!({"itemIdentifier": id})).collect();
        json_response(&json!({"batchItemFailures": failures}))
    };
    match illness {
        Some(Illness::Hangs) => std::future::pending().await,
        Some(Illness::IsGone) => Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .body(Full::default())
            .unwrap(),
        Some(Illness::Fails) => {
            let mut response = json_response(&json!({"errorType": "Runtime.ExitError"}));
            let error = "Unhandled".parse().unwrap();
            response.headers_mut().insert("x-amz-function-error", error);
            response
        }
        Some(Illness::NamesAll) => failures(records.iter().map(|record| record["messageId"].clone()).collect()),
        Some(Illness::NamesAStranger) => failures(vec![json!("stranger")]),
        None => failures(create(&state.rig, &records).await),
    }
}

/// Creates what the records ask for, and gives the ids of those that have no account.
async fn create(rig: &CreationRig, records: &[Value]) -> Vec<Value> {
    let request = |record: &Value| -> CreationRequest {
        let message = Message::from_json(record["body"].as_str().unwrap()).unwrap();
        validate(&message.event, rig.engine.policy()).unwrap()
    };
    let requests = records.iter().map(request).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    let answers = rig.engine.create_batch(requests, deadline).await;
    let failed = records.iter().zip(answers).filter(|(_, answer)| answer.is_err());
    failed.map(|(record, _)| record["messageId"].clone()).collect()
}
