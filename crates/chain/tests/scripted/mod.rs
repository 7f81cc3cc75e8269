//! An RPC server that answers what a test tells it to.
#![allow(
    clippy::unwrap_used,
    reason = "a test server stops the test at the first thing that is not as it should be"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use session_chain::Endpoint;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One answer of the server.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A JSON-RPC result.
    Result(Value),
    /// A JSON-RPC error: code and data.
    Error(i64, Value),
    /// An HTTP status, with `Retry-After` in seconds if there is one.
    Status(u16, Option<u64>),
    /// Nothing, for longer than any test waits.
    Silence,
}

/// Answers by script; when the script is at its end, the last answer again.
pub(crate) struct ScriptedServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    script: VecDeque<Reply>,
    requests: u32,
}

impl ScriptedServer {
    pub(crate) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            script: script.into_iter().collect(),
            requests: 0,
        }));
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Its addresses, with a secret in the path as providers have it.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            http: format!("http://{}/s3cret", self.address),
            ws: format!("ws://{}/s3cret", self.address),
        }
    }

    /// From now on, answers this.
    pub(crate) fn answer(&self, reply: Reply) {
        self.state.lock().unwrap().script = VecDeque::from([reply]);
    }

    pub(crate) fn requests(&self) -> u32 {
        self.state.lock().unwrap().requests
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // It ends with the test's runtime.
        tokio::spawn(connection);
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let body: Value = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let reply = {
        let mut state = state.lock().unwrap();
        state.requests += 1;
        let next = state.script.front().cloned().unwrap();
        if state.script.len() > 1 {
            state.script.pop_front();
        }
        next
    };
    let id = &body["id"];
    Ok(match reply {
        Reply::Result(result) => ok(&json!({"jsonrpc": "2.0", "id": id, "result": result})),
        Reply::Error(code, data) => {
            let error = json!({"code": code, "message": "as the script says", "data": data});
            ok(&json!({"jsonrpc": "2.0", "id": id, "error": error}))
        }
        Reply::Status(status, retry_after) => {
            let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
            if let Some(seconds) = retry_after {
                response = response.header("retry-after", seconds);
            }
            response.body(Full::default()).unwrap()
        }
        Reply::Silence => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Response::new(Full::default())
        }
    })
}

fn ok(body: &Value) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(body.to_string())))
}
