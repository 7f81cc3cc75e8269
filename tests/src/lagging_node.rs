//! A node that is behind the chain, or whose index of addresses is, and that lists history in short pages, made by rewriting a real node's answers.

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use session_chain::Endpoint;

use crate::http_server::{self, HttpServer, json_response};

/// JSON-RPC error of a node that has not reached the slot that was asked for.
const MIN_CONTEXT_SLOT_NOT_REACHED: i64 = -32016;

/// How the node differs from the one behind it.
#[derive(Debug, Clone, Copy)]
pub struct Lag {
    /// Slots that it is behind.
    pub slots: u64,
    /// Slots that its index of addresses is behind its own tip: it answers, and lists nothing of them.
    pub index_slots: u64,
    /// Entries of a page of `getSignaturesForAddress`, whatever is asked for.
    pub page_max: usize,
}

/// A running node. It stops when dropped.
pub struct LaggingNode {
    server: HttpServer,
    state: Arc<State>,
}

struct State {
    upstream: Endpoint,
    client: Client<HttpConnector, Full<Bytes>>,
    lag: Mutex<Lag>,
}

impl LaggingNode {
    /// A node in front of `upstream`.
    pub async fn start(upstream: Endpoint, lag: Lag) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let state = Arc::new(State {
            upstream,
            client,
            lag: Mutex::new(lag),
        });
        let server = HttpServer::start(Arc::clone(&state), serve).await;
        Self { server, state }
    }

    /// Where it answers; notifications come from the node behind it.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            http: self.server.url(),
            ws: self.state.upstream.ws.clone(),
        }
    }

    /// From now on it lags like this.
    pub fn set(&self, lag: Lag) {
        *self.state.lag.lock().unwrap() = lag;
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let call = serde_json::from_slice(&http_server::body(request).await).unwrap();
    json_response(&state.answer(&call).await)
}

impl State {
    async fn answer(&self, call: &Value) -> Value {
        let lag = *self.lag.lock().unwrap();
        match call["method"].as_str().unwrap() {
            "getSlot" => {
                let mut answer = self.ask(call).await;
                answer["result"] = json!(answer["result"].as_u64().unwrap().saturating_sub(lag.slots));
                answer
            }
            "getSignaturesForAddress" => self.list(call, lag).await,
            _ => self.ask(call).await,
        }
    }

    async fn list(&self, call: &Value, lag: Lag) -> Value {
        let slot_call =
            json!({"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": [{"commitment": "confirmed"}]});
        let tip = self.ask(&slot_call).await["result"]
            .as_u64()
            .unwrap()
            .saturating_sub(lag.slots);
        if call["params"][1]["minContextSlot"]
            .as_u64()
            .is_some_and(|wanted| wanted > tip)
        {
            let error = json!({"code": MIN_CONTEXT_SLOT_NOT_REACHED, "message": "Minimum context slot has not been reached", "data": {"contextSlot": tip}});
            return json!({"jsonrpc": "2.0", "id": call["id"], "error": error});
        }
        let mut call = call.clone();
        call["params"][1]["limit"] = json!(1000);
        let mut answer = self.ask(&call).await;
        if let Some(entries) = answer["result"].as_array_mut() {
            let indexed = tip.saturating_sub(lag.index_slots);
            entries.retain(|entry| entry["slot"].as_u64().is_some_and(|slot| slot <= indexed));
            entries.truncate(lag.page_max);
        }
        answer
    }

    async fn ask(&self, call: &Value) -> Value {
        let request = Request::post(&self.upstream.http)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(call.to_string())))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }
}
